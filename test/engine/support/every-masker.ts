import { customMasker, type NetworkRunOptions, randomMasker } from '@fovea/engine';

/** Masks of every kind, by which masks are decided before, during and between the parts of a run. */
export const everyMasker: [string, NetworkRunOptions][] = [
  ['learned', { masker: 'learned' }],
  ['saliency', { masker: 'saliency', rate: 0.4 }],
  ['random', { masker: randomMasker(0.4, 5) }],
  ['no', { masker: randomMasker(0, 5) }],
  ['all', { masker: randomMasker(1, 5) }],
  [
    'custom',
    {
      masker: customMasker(({ batch, rows, columns }) =>
        Array.from({ length: batch * rows * columns }, (_, i) => i % 3 === 0),
      ),
    },
  ],
];
