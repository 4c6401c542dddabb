/**
 * npm run bench gpu [-- options]: everything that there is to measure on a GPU. ResNet-50 and ResNet-101 at 224 x 224,
 * S 8-4-7-1, random masks at rates 1, 0.5 and 0.25, batches of 1, 8, 32 and 128, in f32 and, where the adapter has it,
 * f16, against onnxruntime dense on the same GPU, run alternately in one process. What does not fit the adapter's memory
 * is named. Where Python has PyTorch and torchvision and they find a GPU, PyTorch's dense times stand beside (without
 * TensorFloat-32). Then the GPU is calibrated and its predictions are compared with runs.
 *
 *   --networks, --batches, --rates, --precisions LIST; --runs N: only these
 *   --python COMMAND   the Python that has PyTorch; python3 when left out
 *   --peak N           the GPU's float32 peak in TFLOP/s; left out, that of NVIDIA's data sheet where it is known below
 *   --no-tune          kernels are chosen by a rule, as where there is no time to time them; not with --write
 *   --write            keeps the measurements in docs/gpu-measured.json, beside those that it has of this GPU, and writes
 *                      the table of all into docs/gpu.md; otherwise the table is printed
 *   --try              a small network, once, on a software driver and on PyTorch's processor too: to see whether the
 *                      script works. No time is printed or written
 *
 * A software driver is refused without --try.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { builtNetwork, FoveaError, releaseNetwork, run, Tensor } from '@fovea/engine';
import { webgpuBackend, webgpuBackendWith } from '@fovea/engine/backend';
import { benchmark, calibrate, validatePredictions } from '@fovea/engine/predict';
import { replaceMarked, tableOf } from '../marked.mjs';

const full = { networks: 'resnet50,resnet101', batches: '1,8,32,128', rates: '1,0.5,0.25', runs: '15' };
const small = { networks: 'resnet18', batches: '1', rates: '0.5', runs: '1' };
const command = 'npm run bench gpu -- --write';
const keptFile = new URL('../../docs/gpu-measured.json', import.meta.url);

/** What a row is of; the columns of every table begin with it. */
const setting = ['network', 'precision', 'batch', 'rate'];
const header = [
  ...setting,
  ...['onnxruntime dense, ms', 'PyTorch dense, ms', 'engine, ms'],
  ...['speed-up', 'realised/ideal', 'engine, GFLOP/s', 'share of f32 peak'],
];

/** @throws FoveaError `bad-argument` for `--try` or `--no-tune` with `--write` */
function optionsOf(args) {
  const { values } = parseArgs({
    args,
    options: {
      ...{ networks: { type: 'string' }, batches: { type: 'string' }, rates: { type: 'string' } },
      precisions: { type: 'string', default: 'f32,f16' },
      runs: { type: 'string' },
      python: { type: 'string', default: 'python3' },
      peak: { type: 'string' },
      'no-tune': { type: 'boolean', default: false },
      write: { type: 'boolean', default: false },
      try: { type: 'boolean', default: false },
    },
  });
  if (values.try && values.write) {
    throw new FoveaError('bad-argument', '--try with --write: times of a trial are not written');
  }
  if (values['no-tune'] && values.write) {
    throw new FoveaError('bad-argument', '--no-tune with --write: the times kept are those of tuned kernels');
  }
  const { networks, batches, rates, runs } = { ...(values.try ? small : full), ...values };
  const listed = (text) => text.split(',').map((entry) => entry.trim());
  return {
    ...values,
    // Left out, kernels are timed on a GPU, and not on a software driver.
    ...(values['no-tune'] ? { tune: false } : {}),
    size: values.try ? 32 : 224,
    networks: listed(networks),
    batches: listed(batches).map(Number),
    rates: listed(rates).map(Number),
    precisions: listed(values.precisions),
    runs: Number(runs),
  };
}

/** @param args see above */
export async function bench(args) {
  const options = optionsOf(args);
  const missing = await webgpuBackend.check();
  if (missing) throw new FoveaError('backend-unavailable', missing);
  const { device, software } = await adapterOf();
  const peak = peakOf(options, device);
  if (software && !options.try) {
    throw new FoveaError(
      'backend-unavailable',
      'only a software driver is here: its times say nothing about a GPU; --try tries the script',
    );
  }
  const measured = { device, measuredAt: new Date().toISOString().slice(0, 10), rows: [], left: [] };
  for (const precision of options.precisions) {
    const backend = webgpuBackendWith({ precision, tune: options.tune });
    const problem = await backend.check();
    if (problem) measured.left.push(problem);
    else for (const name of options.networks) await measure(name, precision, backend, options, measured);
  }
  measured.left.push(await predictionsOf(options));
  if (software) {
    process.stdout.write(
      'The script works. A software driver ran it, so that there is no table. What it said otherwise:\n',
    );
    for (const line of measured.left.filter((said) => !said.startsWith('predictions')))
      process.stdout.write(`  ${line}\n`);
  } else if (options.write) {
    const before = existsSync(keptFile) ? JSON.parse(readFileSync(keptFile, 'utf8')) : undefined;
    const kept = together(measured, before);
    writeFileSync(keptFile, `${JSON.stringify(kept, undefined, 1)}\n`);
    replaceMarked('docs/gpu.md', command, textOf(kept, peak));
  } else process.stdout.write(`${textOf(measured, peak)}\n`);
}

/** One network in one precision, batch by batch; what cannot be measured is named in `left`. */
async function measure(name, precision, backend, options, { rows, left }) {
  const { size, batches, rates, runs } = options;
  const network = builtNetwork(name, { inputSize: size });
  const torch = torchDense(name, precision, options);
  if (torch.problem) left.push(`no PyTorch for ${name}, ${precision}: ${torch.problem}`);
  for (const batch of batches) {
    const said = `${name}, ${precision}, batch ${batch}`;
    try {
      const result = await benchmark(network, {
        ...{ backend, batch, rates, runs, strategy: 'lasnet' },
        ...{ masker: 'random', granularity: [8, 4, 7, 1] },
      });
      for (const { rate, denseMs, engineMs, speedup, realisedOverIdeal, flops, kernels } of result.rows) {
        const torchMs = torch.ms[batch] ?? undefined;
        rows.push({
          ...{ network: name, precision, batch, rate, denseMs: denseMs.median, torchMs },
          ...{ engineMs: engineMs.median, speedup, realisedOverIdeal, flops, kernels },
        });
      }
      const ran = new Set(result.rows.flatMap(({ kernels = [] }) => kernels.map((kernel) => kernel.name)));
      process.stderr.write(`${said}: done on ${result.source} by ${[...ran].join(', ')}\n`);
    } catch (error) {
      if (!['unsupported', 'backend-unavailable'].includes(error.code)) throw error;
      left.push(`${said}: ${error.message}`);
    } finally {
      // What one batch leaves in the GPU's memory is not there for the next.
      await releaseNetwork(network);
    }
  }
}

/** Measurements with those that are kept of the same GPU; new ones take the place of old ones of the same setting. */
export function together(measured, kept) {
  if (kept?.device !== measured.device) return measured;
  const rows = new Map([...kept.rows, ...measured.rows].map((row) => [settingCellsOf(row).join(), row]));
  return { ...measured, rows: [...rows.values()], left: [...new Set([...kept.left, ...measured.left])] };
}

/** What stands in docs/gpu.md: what was measured how, the tables of times and of kernels, and what is missing from them. */
export function textOf({ device, measuredAt, rows, left }, peak) {
  const said = `${device}, ${measuredAt}, Node ${process.versions.node}; images of 224 x 224, random masks, S = 8-4-7-1, strategy lasnet, medians of runs that alternate with onnxruntime's dense execution on the same GPU. Both times are whole calls with upload and read-back; PyTorch's has neither. Every answer was checked first.`;
  return [
    said,
    tableOf(
      header,
      rows.map((row) => cellsOf(row, peak)),
    ),
    'The kernels of the last timed run, with their share of the time of all passes on the GPU and, in brackets, the number of their passes. `matrices` are matrices of subgroups, `lists by subgroups` lists of pixels built with operations of subgroups; `+` joins kernels that are timed together. `by a rule`: so many of the passes were not timed with every kernel before, so that a faster one may be left out.',
    tableOf([...setting, 'kernels'], rows.map(kernelCellsOf)),
    left.map((line) => `- ${line}`).join('\n'),
  ].join('\n\n');
}

/** What a first run says of the adapter: its name, and whether a program computes in the place of a GPU. */
async function adapterOf() {
  const network = builtNetwork('resnet18', { inputSize: 32 });
  const image = Tensor.zeros([1, 32, 32, 3]);
  const { profile } = await run(network, image, { backend: webgpuBackend, strategy: 'dense' });
  return { device: profile.device, software: profile.source.includes('software driver') };
}

/** Float32 peaks in TFLOP/s without tensor cores, from NVIDIA's data sheets, by a part of the adapter's name. */
const peaks = {
  ...{ h200: 67, h100pcie: 51, h100: 67, a100: 19.5, v100: 15.7, t4: 8.1, l40s: 91.6, l4: 30.3 },
  ...{ rtx4090: 82.6, rtx3090: 35.6, rtx3060: 12.7 },
};

/** The float32 peak in GFLOP/s: as given, or of the first data sheet that the adapter's name contains. */
export function peakOf({ peak }, adapter) {
  if (peak !== undefined) {
    if (!(Number(peak) > 0))
      throw new FoveaError('bad-argument', `--peak ${peak}: TFLOP/s above 0 are accepted`);
    return 1e3 * Number(peak);
  }
  const plain = adapter.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  const known = Object.keys(peaks).find((name) => plain.includes(name));
  return known && 1e3 * peaks[known];
}

/** PyTorch's dense times by batch, or why there are none. */
function torchDense(name, precision, { size, runs, batches, python, try: trying }) {
  const script = fileURLToPath(new URL('torch-dense.py', import.meta.url));
  const options = [...(trying ? ['--cpu'] : []), name, size, runs, precision, ...batches].map(String);
  const { status, stdout, stderr, error } = spawnSync(python, [script, ...options], { encoding: 'utf8' });
  if (status === 0) return JSON.parse(stdout);
  return { ms: {}, problem: error?.message ?? stderr.trim().split('\n').at(-1) };
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;

/** How far predictions on the calibrated GPU are from runs, in one line. */
async function predictionsOf({ networks: [name], size, runs, try: trying }) {
  const { device } = await calibrate({ backend: webgpuBackend, store: false });
  const network = builtNetwork(name, { inputSize: size });
  const { summary } = await validatePredictions(network, {
    ...{ backend: webgpuBackend, device, runs: Math.min(runs, 8), rates: [0.5] },
    ...{ granularities: trying ? [4] : [1, 4, 7], strategies: ['dense', 'lasnet'] },
  });
  return `predictions for ${name}, batch 1: median error ${percent(summary.medianPlanError)} of plans, ${percent(summary.medianBlockError)} of blocks`;
}

const settingCellsOf = (row) => setting.map((name) => String(row[name]));

function cellsOf(row, peak) {
  const { denseMs, torchMs, engineMs, speedup, realisedOverIdeal, flops } = row;
  const gigaflops = flops / engineMs / 1e6;
  return [
    ...settingCellsOf(row),
    ...[denseMs.toFixed(2), torchMs?.toFixed(2) ?? '–', engineMs.toFixed(2)],
    ...[speedup.toFixed(2), realisedOverIdeal.toFixed(2), gigaflops.toFixed(0)],
    peak ? percent(gigaflops / peak) : '–',
  ];
}

/** The kernels of a setting; without their shares where the adapter times no passes. */
function kernelCellsOf(row) {
  const kernels = row.kernels ?? [];
  const allMs = kernels.reduce((sum, { totalMs = 0 }) => sum + totalMs, 0);
  const listed = kernels.map(({ name, passes, byRule = 0, totalMs = 0 }) => {
    const ruled = byRule === 0 ? '' : byRule === passes ? ', by a rule' : `, ${byRule} by a rule`;
    return [name, ...(allMs > 0 ? [percent(totalMs / allMs)] : []), `(${passes}${ruled})`].join(' ');
  });
  return [...settingCellsOf(row), listed.join(', ') || '–'];
}
