/** How long the predictor itself takes: `npm run bench predict [-- --json]`. */
import { builtNetwork, getDevice, predict } from '@fovea/engine';
import { predictFigure, publishedNetworks, readCalibration, searchGranularity } from '@fovea/engine/predict';

const runs = 15;

/** Median of `runs` timings of `work(run)`, ms; the first, cold one apart. */
function time(work) {
  const times = [];
  let firstMs = 0;
  for (let run = 0; run <= runs; run++) {
    const before = performance.now();
    work(run);
    const elapsed = performance.now() - before;
    if (run === 0) firstMs = elapsed;
    else times.push(elapsed);
  }
  times.sort((a, b) => a - b);
  return { firstMs: Number(firstMs.toFixed(2)), medianMs: Number(times[runs >> 1].toFixed(3)) };
}

/** @param options `--json`: one JSON document instead of a table */
export async function bench(options) {
  const rows = [];
  const measure = (what, targetMs, work) => rows.push({ what, ...time(work), targetMs });
  const network = builtNetwork('resnet101');
  const { device: thisMachine } = readCalibration();
  for (const device of [getDevice('v100'), getDevice('cpu-avx2'), ...(thisMachine ? [thisMachine] : [])]) {
    // Every run has a different rate, so that only shapes can be cached.
    const rate = (run) => 0.3 + run / 100;
    measure(`predict resnet101 on ${device.name}`, 2, (run) =>
      predict(network, { device, granularity: [8, 4, 7, 1], rate: rate(run) }),
    );
    measure(`search resnet101 on ${device.name}, all S and strategies`, 50, (run) =>
      searchGranularity(network, device, { rate: rate(run) }),
    );
  }
  for (const name of publishedNetworks) {
    measure(`published model, ${name} S 4-4-2-1 on v100`, undefined, (run) =>
      predictFigure('v100', name, `spatial_S4-4-2-1_r${0.3 + run / 100}`),
    );
  }
  if (options.includes('--json')) process.stdout.write(`${JSON.stringify({ runs, rows }, undefined, 2)}\n`);
  else console.table(rows);
}
