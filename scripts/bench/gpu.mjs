/**
 * npm run bench gpu [-- --try]: everything that there is to measure on a GPU, as a Markdown table. ResNet-50 and
 * ResNet-101 at 224 x 224, S 8-4-7-1, random masks at rates 1, 0.5 and 0.25, batches of 1, 8, 32 and 128, in f32 and,
 * where the adapter has it, f16, against onnxruntime dense on the same GPU, run alternately in one process. What does
 * not fit the adapter's memory is named. `--try` runs a small network once, on a software driver too: to see whether
 * the script works, not to measure.
 */
import { builtNetwork, run, Tensor } from '@fovea/engine';
import { webgpuBackend, webgpuBackendWith } from '@fovea/engine/backend';
import { benchmark } from '@fovea/engine/predict';

const full = {
  networks: ['resnet50', 'resnet101'],
  size: 224,
  batches: [1, 8, 32, 128],
  rates: [1, 0.5, 0.25],
  runs: 15,
};
const small = { networks: ['resnet18'], size: 64, batches: [1], rates: [1, 0.5], runs: 1 };

const HEAD = [
  '| network | precision | batch | rate | dense, ms | engine, ms | speed-up | realised/ideal | engine, GFLOP/s |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- |',
];

/** @param arguments_ `--try` or nothing */
export async function bench(arguments_) {
  const trying = arguments_.includes('--try');
  const { networks, size, batches, rates, runs } = trying ? small : full;
  const missing = await webgpuBackend.check();
  if (missing) throw new Error(missing);
  const software = await isSoftware();
  if (software && !trying) {
    throw new Error(
      'only a software driver is here: its times say nothing about a GPU; --try tries the script',
    );
  }
  const f16 = webgpuBackendWith({ precision: 'f16' });
  const precisions = [['f32', webgpuBackend], ...((await f16.check()) === undefined ? [['f16', f16]] : [])];
  const left = [];
  const rows = [];
  for (const name of networks) {
    const network = builtNetwork(name, { inputSize: size });
    for (const [precision, backend] of precisions) {
      for (const batch of batches) {
        const said = `${name}, ${precision}, batch ${batch}`;
        try {
          const result = await benchmark(network, {
            ...{
              backend,
              batch,
              rates,
              runs,
              masker: 'random',
              granularity: [8, 4, 7, 1],
              strategy: 'lasnet',
            },
          });
          rows.push(...result.rows.map((row) => line(name, precision, batch, row)));
          process.stderr.write(`${said}: done on ${result.source}\n`);
        } catch (error) {
          if (!['unsupported', 'backend-unavailable'].includes(error.code)) throw error;
          left.push(`${said}: ${error.message}`);
        }
      }
    }
  }
  if (software)
    process.stdout.write('The script works. A software driver ran it, so that there is no table.\n');
  else process.stdout.write(`${[...HEAD, ...rows, '', ...left].join('\n')}\n`);
}

/** Whether a program computes in the place of a GPU, as a first run says. */
async function isSoftware() {
  const network = builtNetwork('resnet18', { inputSize: 32 });
  const image = Tensor.zeros([1, 32, 32, 3]);
  const { profile } = await run(network, image, { backend: webgpuBackend, strategy: 'dense' });
  return profile.source.includes('software driver');
}

function line(name, precision, batch, { rate, denseMs, engineMs, speedup, realisedOverIdeal, flops }) {
  return `| ${[
    ...[name, precision, batch, rate, denseMs.median.toFixed(2), engineMs.median.toFixed(2)],
    ...[speedup.toFixed(2), realisedOverIdeal.toFixed(2), (flops / engineMs.median / 1e6).toFixed(0)],
  ].join(' | ')} |`;
}
