/** Stands in bundles for browsers where a package for Node would. */
export const load = (): Promise<never> => Promise.reject(new Error('a browser has none'));
