/**
 * What values are multiplied by before many of them are added up: 2^24 of the largest float32 do not overflow then. It is a
 * power of two, so that sums of ordinary values keep their bits. A literal of WGSL.
 */
export const SUM_UNIT = '0x1p-24f';

/**
 * `unitOf` gives a power of two by which values of at most a size are multiplied before they are squared: 1 unless squares
 * would leave float32.
 */
export const unitCode = `fn unitOf(most: f32) -> f32 {
  if (most > 0x1p-40f && most < 0x1p40f) { return 1; }
  // Neither this nor its inverse may be 0 or infinite.
  return bitcast<f32>((254u - clamp((bitcast<u32>(most) >> 23u) & 255u, 27u, 253u)) << 23u);
}`;
