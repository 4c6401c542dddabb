/** Bytes of one value of each type that a program's maps may hold. */
export const dtypeBytes = { f32: 4 } as const;

/** Type of a map's values, and of the weights that they are multiplied with. Sums are float32. */
export type Dtype = keyof typeof dtypeBytes;
