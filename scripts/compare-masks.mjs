#!/usr/bin/env node
/**
 * How often a network with adapted, fitted, salient and random masks keeps the dense network's class, by hand:
 *
 *     node scripts/compare-masks.mjs MODEL FOLDER [flops 0.7] [steps 400]
 *
 * Half of the photographs below FOLDER, every second by name, are adapted on in random crops; five crops of each of the
 * others are measured on. Intervals are drawn over photographs. Seconds and figures go to the standard output as JSON.
 */
import { loadNetwork, Random, Tensor } from '@fovea/engine';
import { normalised } from '@fovea/engine/internal';
import { adaptMaskers, compareMaskers, randomCrop, readPhotos } from '@fovea/engine/train';

const [model, folder, flops = '0.7', steps = '400'] = process.argv.slice(2);
if (!folder) {
  process.stderr.write('node scripts/compare-masks.mjs MODEL FOLDER [flops] [steps]\n');
  process.exit(1);
}
const cropsEach = 5;
const network = await loadNetwork(model);
const size = network.inputShape;
const { files, images } = await readPhotos(folder);
const [seen, unseen] = [0, 1].map((half) => images.filter((_, i) => i % 2 === half));
const how = network.preprocessing ?? {};

const random = new Random(99);
const crops = [];
for (const photo of unseen) {
  for (let i = 0; i < cropsEach; i++)
    crops.push(await randomCrop(photo, { ...size, area: [0.5, 1] }, random));
}
const measured = normalised(crops, { ...size, ...how });
const groups = crops.map((_, i) => Math.floor(i / cropsEach));
const calibrationCrops = [];
for (let i = 0; i < 16; i++) {
  calibrationCrops.push(await randomCrop(seen[i % seen.length], { ...size, area: [0.5, 1] }, random));
}
const calibration = normalised(calibrationCrops, { ...size, ...how });

const say = (text) => process.stderr.write(`${text}\n`);
say(`${files.length} photographs, ${seen.length} to adapt on, ${measured.shape[0]} crops of the others`);
const begin = performance.now();
let said = 0;
const { network: adapted } = await adaptMaskers(network, seen, {
  ...how,
  flops: Number(flops),
  steps: Number(steps),
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
const rows = await compareMaskers(adapted, new Tensor(measured.shape, measured.data), {
  flops: Number(flops),
  calibration,
  groups,
  onProgress: (done, count, name) => say(`${done} of ${count}: ${name}`),
});
process.stdout.write(
  `${JSON.stringify({ model: network.name, photographs: files.length, seconds, rows }, null, 2)}\n`,
);
