// Benchmarks of the predictor: `npm run bench` runs this among others; `node scripts/bench/predict.mjs` alone.
import {
  builtNetwork,
  getDevice,
  predict,
  predictFigure,
  publishedNetworks,
  readCalibration,
  searchGranularity,
} from '@fovea/engine';

const runs = 15;

/** Median of `runs` timings of `work(run)`, ms; the first, cold one apart. */
function time(work) {
  const times = [];
  let cold = 0;
  for (let run = 0; run <= runs; run++) {
    const before = performance.now();
    work(run);
    const elapsed = performance.now() - before;
    if (run === 0) cold = elapsed;
    else times.push(elapsed);
  }
  times.sort((a, b) => a - b);
  return { cold, median: times[runs >> 1] };
}

const rows = [];
const report = (name, target, { cold, median }) =>
  rows.push({
    what: name,
    'first ms': cold.toFixed(1),
    'median ms': median.toFixed(2),
    'target ms': target ?? '',
  });

const resnet101 = builtNetwork('resnet101');
const devices = [getDevice('v100'), getDevice('cpu-avx2')];
const { device: thisMachine } = readCalibration();
if (thisMachine) devices.push(thisMachine);

for (const device of devices) {
  const { name } = device;
  // Every run asks at another rate, so that nothing but shapes can be remembered.
  const granularity = [8, 4, 7, 1];
  const once = (run) => predict(resnet101, { device, granularity, rate: 0.3 + run / 100 });
  report(`predict resnet101, ${name}`, 2, time(once));
  const search = (run) => searchGranularity(resnet101, device, { rate: 0.3 + run / 100 });
  report(`search resnet101, all S and strategies, ${name}`, 50, time(search));
}

for (const network of publishedNetworks) {
  const total = (run) => predictFigure('v100', network, `spatial_S4-4-2-1_r${0.3 + run / 100}`);
  report(`published model, ${network} S4-4-2-1, v100`, undefined, time(total));
}

console.table(rows);
