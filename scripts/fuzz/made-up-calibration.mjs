/**
 * A calibration with made-up costs, for fuzzers and tests alike: a field that calibrations get is added here alone.
 *
 * @param {readonly { readonly name: string }[]} amounts what the addon counts
 * @param {(name: string, index: number) => number} costOf ms for a unit of an amount
 */
export function madeUpCalibration(amounts, costOf = (_, index) => 3e-8 * (1 + index / 7)) {
  const costs = Object.fromEntries(amounts.map(({ name }, index) => [name, costOf(name, index)]));
  return {
    kind: /** @type {const} */ ('native'),
    isa: 'avx2',
    machine: { nearBytes: 2 ** 19, farBytes: 2 ** 25 },
    fits: [1, 4].map((threads) => ({
      threads,
      costs,
      runMs: 0.1,
      runShare: 0.01,
      runByteMs: 1e-7,
      medianError: 0.02,
      samples: 100,
    })),
  };
}
