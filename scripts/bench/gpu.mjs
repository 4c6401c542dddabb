/**
 * npm run bench gpu [-- --try]: everything that there is to measure on a GPU, as a Markdown table. ResNet-50 and
 * ResNet-101 at 224 x 224, S 8-4-7-1, random masks at rates 1, 0.5 and 0.25, batches of 1, 8, 32 and 128, in f32 and,
 * where the adapter has it, f16, against onnxruntime dense on the same GPU, run alternately in one process. What does
 * not fit the adapter's memory is named. Where Python has PyTorch and torchvision and they find a GPU, PyTorch's dense
 * times are added (without TensorFloat-32). Then the GPU is calibrated and its predictions are compared with runs.
 * `--peak N` says the GPU's float32 peak in TFLOP/s for the share of it; left out, that of the data sheets that Fovea
 * knows. `--try` runs a small network once, on a software driver too: to see whether the script works, not to measure.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { builtNetwork, run, Tensor } from '@fovea/engine';
import { webgpuBackend, webgpuBackendWith } from '@fovea/engine/backend';
import { benchmark, calibrate, devices, validatePredictions } from '@fovea/engine/predict';

const full = {
  networks: ['resnet50', 'resnet101'],
  size: 224,
  batches: [1, 8, 32, 128],
  rates: [1, 0.5, 0.25],
  runs: 15,
};
const small = { networks: ['resnet18'], size: 32, batches: [1], rates: [0.5], runs: 1 };

const HEAD = [
  '| network | precision | batch | rate | onnxruntime dense, ms | PyTorch dense, ms | engine, ms | speed-up | realised/ideal | engine, GFLOP/s | share of f32 peak |',
  '| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |',
];

/** @param arguments_ `--try`, `--peak N` */
export async function bench(arguments_) {
  const trying = arguments_.includes('--try');
  const { networks, size, batches, rates, runs } = trying ? small : full;
  const missing = await webgpuBackend.check();
  if (missing) throw new Error(missing);
  const { device, software } = await adapterOf();
  const peak = peakOf(arguments_, device);
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
      const torch = torchDense(name, { size, runs, precision, batches });
      if (torch.problem) left.push(`no PyTorch for ${name}, ${precision}: ${torch.problem}`);
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
          rows.push(...result.rows.map((row) => line([name, precision, batch], row, torch.ms[batch], peak)));
          process.stderr.write(`${said}: done on ${result.source}\n`);
        } catch (error) {
          if (!['unsupported', 'backend-unavailable'].includes(error.code)) throw error;
          left.push(`${said}: ${error.message}`);
        }
      }
    }
  }
  left.push(await predictionsOf(networks[0], trying ? small : { ...full, runs: 8 }));
  if (software)
    process.stdout.write('The script works. A software driver ran it, so that there is no table.\n');
  else process.stdout.write(`${[...HEAD, ...rows, '', ...left].join('\n')}\n`);
}

/** What a first run says of the adapter: its name, and whether a program computes in the place of a GPU. */
async function adapterOf() {
  const network = builtNetwork('resnet18', { inputSize: 32 });
  const image = Tensor.zeros([1, 32, 32, 3]);
  const { profile } = await run(network, image, { backend: webgpuBackend, strategy: 'dense' });
  return { device: profile.device, software: profile.source.includes('software driver') };
}

/** The float32 peak in GFLOP/s: as given, or of a data sheet whose device the adapter's name contains. */
function peakOf(arguments_, adapter) {
  const at = arguments_.indexOf('--peak');
  if (at >= 0) {
    const peak = Number(arguments_[at + 1]);
    if (!(peak > 0)) throw new Error(`--peak ${arguments_[at + 1]}: TFLOP/s above 0 are accepted`);
    return 1e3 * peak;
  }
  const plain = adapter.toLowerCase().replaceAll(' ', '');
  const known = devices.find(({ name, source }) => source.startsWith('NVIDIA') && plain.includes(name));
  return known && (2 * known.processingEngines * known.lanes * known.frequencyHz) / 1e9;
}

/** PyTorch's dense times by batch, or why there are none. */
function torchDense(name, { size, runs, precision, batches }) {
  const script = fileURLToPath(new URL('torch-dense.py', import.meta.url));
  const options = [name, size, runs, precision, ...batches].map(String);
  const { status, stdout, stderr, error } = spawnSync('python3', [script, ...options], { encoding: 'utf8' });
  if (status === 0) return JSON.parse(stdout);
  return { ms: {}, problem: error?.message ?? stderr.trim().split('\n').at(-1) };
}

/** How far predictions on the calibrated GPU are from runs, in one line. */
async function predictionsOf(name, { size, runs }) {
  const { device } = await calibrate({ backend: webgpuBackend, store: false });
  const network = builtNetwork(name, { inputSize: size });
  const { summary } = await validatePredictions(network, {
    ...{ backend: webgpuBackend, device, runs, granularities: [4], rates: [0.5] },
    strategies: ['dense', 'lasnet'],
  });
  const percent = (share) => `${(100 * share).toFixed(1)} %`;
  return `predictions for ${name}, batch 1: median error ${percent(summary.medianPlanError)} of plans, ${percent(summary.medianBlockError)} of blocks`;
}

function line(setting, { rate, denseMs, engineMs, speedup, realisedOverIdeal, flops }, torchMs, peak) {
  const gigaflops = flops / engineMs.median / 1e6;
  return `| ${[
    ...[...setting, rate, denseMs.median.toFixed(2), torchMs?.toFixed(2) ?? '–', engineMs.median.toFixed(2)],
    ...[speedup.toFixed(2), realisedOverIdeal.toFixed(2), gigaflops.toFixed(0)],
    peak ? `${((100 * gigaflops) / peak).toFixed(1)} %` : '–',
  ].join(' | ')} |`;
}
