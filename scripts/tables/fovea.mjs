/** What Fovea's own model predicts for all devices. */
import { builtNetwork, predict } from '@fovea/engine';
import { searchGranularity } from '@fovea/engine/predict';
import { table } from './format.mjs';
import { devices } from './published.mjs';

export function foveaPart() {
  const network = builtNetwork('resnet101');
  const all = [...devices, 'gtx1080', 'a100', 'h100', 'h200', 'cpu-avx2', 'cpu-avx512'];
  const rows = all.map((device) => {
    const time = (strategy, rate = 0.5) => {
      const { totalMs, batch } = predict(network, { device, strategy, rate, granularity: [8, 4, 7, 1] });
      return (totalMs / batch).toFixed(3);
    };
    const { stages } = searchGranularity(network, device, { rate: 0.5, granularities: [1, 2, 4, 7, 8] });
    const best = stages.map(({ best: { granularity } }) => granularity).join('-');
    return [device, time('dense', 1), time('unfused'), time('lasnet'), time('streamed'), best];
  });
  return [
    "## All devices, Fovea's model: predicted",
    '',
    'Whole ResNet-101 with stem and head, ms an image, from data sheets: *predicted*. Adaptive at rate 0.5 with',
    'S 8-4-7-1; conv1 is counted on the dilated mask, index lists and projections are counted. The last column is the',
    'fastest S per stage among 1, 2, 4, 7 and 8 at equal rate: coarser masks always save a little, so what decides in',
    'practice is how much accuracy a coarser mask costs.',
    '',
    table(['device', 'dense', 'unfused', 'lasnet', 'streamed', 'fastest S'], rows),
  ].join('\n');
}
