/** The package that computes; bundles for browsers have `absent.ts` in this module's place (`imports` of the manifest). */
export const load = () => import('onnxruntime-node');
