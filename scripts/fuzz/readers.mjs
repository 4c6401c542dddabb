import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FoveaError } from '../../engine/lib/errors.js';
import { decodeImage } from '../../engine/lib/image/decode.js';
import { encodePng } from '../../engine/lib/image/encode.js';
import { builtNetwork } from '../../engine/lib/network/built/index.js';
import { readPyTorch } from '../../engine/lib/network/checkpoint/pytorch/read.js';
import { findStateDict } from '../../engine/lib/network/checkpoint/pytorch/state-dict.js';
import { parseSafetensors } from '../../engine/lib/network/checkpoint/safetensors.js';
import { networkFromStateDict } from '../../engine/lib/network/checkpoint/state-dict.js';
import { describeNetwork } from '../../engine/lib/network/describe.js';
import { importOnnx } from '../../engine/lib/network/onnx/import-onnx.js';
import { toOnnx } from '../../engine/lib/network/onnx/write.js';
import { Random } from '../../engine/lib/random.js';
import { joined } from './joined.mjs';
import { mutate } from './mutate.mjs';

const slowMs = 1000;
const growthBytes = 512 * 2 ** 20;

const fixture = (name) =>
  new Uint8Array(readFileSync(new URL(`../../test/fixtures/${name}`, import.meta.url)));
const network = builtNetwork('regnet_y_400mf', { classes: 10 });
// Structure is what breaks readers; weights would only make most damage land where it does nothing.
const slim = {
  ...network,
  nodes: network.nodes.filter((_, i) => i < 4),
  output: network.nodes[3].output,
};

const unet = joined(slim, 0);

const onnx = async (bytes) => {
  describeNetwork(await importOnnx(bytes, 'fuzz'));
};
const targets = [
  {
    name: 'onnx',
    read: onnx,
    files: [toOnnx(slim), toOnnx(slim, { constants: 'node', batchNorm: { seed: 1 } }), toOnnx(unet)],
  },
  {
    name: 'safetensors',
    read: async (bytes) => {
      describeNetwork(networkFromStateDict(parseSafetensors(bytes, 'fuzz'), {}, 'fuzz'));
    },
    files: [fixture('lasnet-uneven.safetensors')],
  },
  {
    name: 'pickle',
    read: async (bytes) => {
      const { file, settings } = findStateDict(readPyTorch(bytes, 'fuzz'));
      describeNetwork(networkFromStateDict(file, settings, 'fuzz'));
    },
    files: ['resnet-legacy.pth', 'lasnet-regnet.pth.tar', 'half-channels-last.pth'].map((name) =>
      fixture(`checkpoints/${name}`),
    ),
  },
  {
    name: 'image',
    read: (bytes) => decodeImage(bytes, 'fuzz'),
    files: [
      await encodePng({ width: 31, height: 17, channels: 3, data: new Uint8Array(31 * 17 * 3).fill(77) }),
    ],
  },
];

/**
 * Feeds damaged files to the readers of ONNX, safetensors and PyTorch files and of images. Each must be read or refused with a
 * FoveaError, within a second and 512 MB. The first that is not is kept in the temporary folder.
 *
 * @param args `[SECONDS] [SEED]`
 * @returns whether all went well
 */
export async function fuzz([secondsText = '60', seedText = String(Date.now() % 1_000_000)]) {
  const [seconds, seed] = [Number(secondsText), Number(seedText)];
  if (!(seconds > 0) || !Number.isSafeInteger(seed)) {
    process.stderr.write('usage: npm run fuzz -- readers [SECONDS] [SEED]\n');
    return false;
  }
  const random = new Random(seed);
  const counts = new Map(targets.map(({ name }) => [name, { read: 0, refused: 0, worstMs: 0 }]));
  process.stdout.write(`seed ${seed}, ${seconds} s\n`);
  const end = performance.now() + seconds * 1000;
  for (let round = 0; performance.now() < end; round++) {
    const { name, read, files } = targets[random.below(targets.length)];
    const bytes = mutate(files[random.below(files.length)], random);
    const count = counts.get(name);
    const before = process.memoryUsage().rss;
    const started = performance.now();
    let failure;
    try {
      await read(bytes);
      count.read++;
    } catch (error) {
      if (error instanceof FoveaError) count.refused++;
      else failure = error.stack;
    }
    const ms = performance.now() - started;
    count.worstMs = Math.max(count.worstMs, ms);
    if (ms > slowMs) failure ??= `took ${Math.round(ms)} ms`;
    const grown = process.memoryUsage().rss - before;
    if (grown > growthBytes) failure ??= `took ${Math.round(grown / 2 ** 20)} MB`;
    if (failure) {
      const kept = join(tmpdir(), `fovea-fuzz-${name}-${seed}-${round}`);
      writeFileSync(kept, bytes);
      process.stderr.write(`${name}, round ${round}: ${failure}\nkept as ${kept}\n`);
      return false;
    }
  }
  for (const [name, { read, refused, worstMs }] of counts) {
    process.stdout.write(`${name}: ${read} read, ${refused} refused, at most ${worstMs.toFixed(0)} ms\n`);
  }
  return true;
}
