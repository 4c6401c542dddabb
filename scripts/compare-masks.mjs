#!/usr/bin/env node
/**
 * How often a network with adapted, fitted, salient and random masks keeps the dense network's class, by hand:
 *
 *     node scripts/compare-masks.mjs MODEL FOLDER [flops 0.7] [steps 400] [maskers|norms] [rate 0.02]
 *
 * Half of the photographs below FOLDER, every second by name, are adapted on in random crops; five crops of each of the
 * others are measured on. Intervals are drawn over photographs. Seconds and figures go to the standard output as JSON.
 */
import { loadNetwork } from '@fovea/engine';
import { adaptMaskers, compareMaskers, photoCrops, readPhotos } from '@fovea/engine/train';

const [model, folder, flops = '0.7', steps = '400', tune = 'maskers', rate = '0.02'] = process.argv.slice(2);
if (!folder) {
  process.stderr.write(
    'node scripts/compare-masks.mjs MODEL FOLDER [flops] [steps] [maskers|norms] [rate]\n',
  );
  process.exit(1);
}
const cropsEach = 5;
const network = await loadNetwork(model);
const { files, images } = await readPhotos(folder);
const [seen, unseen] = [0, 1].map((half) => images.filter((_, i) => i % 2 === half));
const how = network.preprocessing ?? {};

const measured = await photoCrops(network, unseen, { each: cropsEach, seed: 99 });
const groups = Array.from({ length: measured.shape[0] }, (_, i) => Math.floor(i / cropsEach));
const calibration = await photoCrops(network, seen.slice(0, 16), { seed: 98 });

const say = (text) => process.stderr.write(`${text}\n`);
say(`${files.length} photographs, ${seen.length} to adapt on, ${measured.shape[0]} crops of the others`);
const begin = performance.now();
let said = 0;
const { network: adapted, kept } = await adaptMaskers(network, seen, {
  ...how,
  flops: Number(flops),
  steps: Number(steps),
  tune,
  rate: Number(rate),
  onProgress: ({ phase, step, sameClass, divergence, distance, flops: left, leftMs }) => {
    if (performance.now() - said < 15_000) return;
    said = performance.now();
    say(
      `${phase} ${step}: same class ${sameClass.toFixed(2)}, divergence ${divergence.toFixed(3)}, distance ` +
        `${distance.toFixed(3)}, FLOPs ${left.toFixed(3)}, ${Math.round(leftMs / 1000)} s left`,
    );
  },
});
const seconds = (performance.now() - begin) / 1000;
const rows = await compareMaskers(adapted, measured, {
  flops: Number(flops),
  calibration,
  groups,
  onProgress: (done, count, name) => say(`${done} of ${count}: ${name}`),
});
process.stdout.write(
  `${JSON.stringify({ model: network.name, photographs: files.length, seconds, kept, rows }, null, 2)}\n`,
);
