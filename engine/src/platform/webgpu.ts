/** WebGPU for Node; bundles for browsers have `absent.ts` in this module's place (`imports` of the manifest). */
export const load = () => import('webgpu');
