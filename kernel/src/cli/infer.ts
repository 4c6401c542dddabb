import { readFile, rename, writeFile } from 'node:fs/promises';
import {
  blocksOf,
  FoveaError,
  fixedMasker,
  float32Of,
  type Mask,
  type Masker,
  type Network,
  parseGranularity,
  parseSafetensors,
  type RunResult,
  run,
  type Tensor,
  writeSafetensors,
} from '@fovea/engine';
import type { Command } from 'commander';
import { readInput } from './input.js';
import { MODEL_HELP, openModel } from './model.js';
import { asTable, parseInteger, parseRate, printJson } from './parse.js';

interface InferOptions {
  readonly input: string;
  readonly config?: string;
  readonly granularity?: string;
  readonly masker?: string;
  readonly rate?: string;
  readonly seed?: string;
  readonly strategy?: string;
  readonly backend?: string;
  readonly threads?: string;
  readonly output?: string;
  readonly json?: boolean;
}

/** `fovea infer`: runs a network adaptively on a file and says where it computed and how long it took. */
export function register(program: Command): void {
  program
    .command('infer')
    .description('Run a network adaptively; report classes, masks and where the time went.')
    .argument('<model>', MODEL_HELP)
    .requiredOption('--input <file>', '.safetensors with `input` (N, C, H, W, normalised), or a PNG or JPEG')
    .option('--config <file>', "the checkpoint's JSON configuration (default: the .json beside it)")
    .option(
      '--granularity <S>',
      'S: one, per stage or per block, separated by commas; "whole" is the whole map',
    )
    .option(
      '--masker <name>',
      'learned, saliency, random, or fixed:FILE (.safetensors with mask.0, mask.1, …)',
    )
    .option('--rate <r>', 'activation rate for saliency and random, 0 to 1 (default: 0.5)')
    .option('--seed <n>', 'seed for random masks (default: 1)')
    .option('--strategy <name>', 'dense, unfused, lasnet, streamed or auto (default: streamed)')
    .option('--backend <name>', 'native, onnx or reference (default: the fastest here)')
    .option('--threads <n>', 'compute threads (default: all cores)')
    .option('--output <file>', 'write logits and masks to this .safetensors file')
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string, options: InferOptions) => {
      const network = await openModel(model, options.config);
      const input = await readInput(options.input, network);
      const result = await run(network, input, {
        ...(options.granularity === undefined ? {} : { granularity: parseGranularity(options.granularity) }),
        ...(options.masker === undefined ? {} : { masker: await parseMasker(options.masker, network) }),
        ...(options.rate === undefined ? {} : { rate: parseRate('--rate', options.rate) }),
        ...(options.seed === undefined ? {} : { seed: parseInteger('--seed', options.seed, 0) }),
        ...(options.strategy === undefined ? {} : { strategy: options.strategy }),
        ...(options.backend === undefined ? {} : { backend: options.backend }),
        ...(options.threads === undefined ? {} : { threads: parseInteger('--threads', options.threads) }),
      });
      if (options.output !== undefined) await save(options.output, result);
      if (options.json) printJson(asDocument(network, result));
      else process.stdout.write(asText(network, result));
    });
}

/** Reads `learned`, `saliency`, `random` or `fixed:FILE`. */
async function parseMasker(
  text: string,
  network: Network,
): Promise<'learned' | 'saliency' | 'random' | Masker> {
  if (text === 'learned' || text === 'saliency' || text === 'random') return text;
  if (!text.startsWith('fixed:')) {
    throw new FoveaError(
      'unknown-name',
      `--masker "${text}": learned, saliency, random or fixed:FILE are accepted`,
    );
  }
  const path = text.slice('fixed:'.length);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new FoveaError('io', `cannot read masks from ${path}: ${(cause as Error).message}`, { cause });
  }
  const file = parseSafetensors(bytes, path);
  const cells = new Map<number, Uint8Array>();
  for (const { index } of blocksOf(network)) {
    const stored = file.tensors.get(`mask.${index}`);
    if (!stored) continue;
    const values = float32Of(file, `mask.${index}`, stored.shape);
    if (values.some((value) => value !== 0 && value !== 1)) {
      throw new FoveaError('bad-file', `${path}: mask.${index} holds values other than 0 and 1`);
    }
    cells.set(index, Uint8Array.from(values));
  }
  return fixedMasker(cells);
}

/** Writes beside and renames, so that a failed save leaves an old file whole. */
async function save(path: string, { output, masks }: RunResult): Promise<void> {
  const [N, H, W, C] = output.shape;
  const shape = H === 1 && W === 1 ? [N, C] : [N, C, H, W];
  const bytes = writeSafetensors({
    logits: { shape, values: output.toNCHW() },
    ...Object.fromEntries(
      masks.map((mask) => [
        `mask.${mask.block}`,
        { shape: [mask.batch, mask.rows, mask.columns], values: Float32Array.from(mask.cells) },
      ]),
    ),
  });
  const partial = `${path}.${process.pid}.partial`;
  try {
    await writeFile(partial, bytes);
    await rename(partial, path);
  } catch (cause) {
    throw new FoveaError('io', `cannot write ${path}: ${(cause as Error).message}`, { cause });
  }
}

/** The `count` largest logits of one image, with their softmax probability. */
function top(output: Tensor, image: number, labels: readonly string[] | undefined, count = 5) {
  const C = output.data.length / output.shape[0];
  const logits = output.data.subarray(image * C, (image + 1) * C);
  const peak = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const sum = logits.reduce((total, value) => total + Math.exp(value - peak), 0);
  return Array.from(logits.keys())
    .sort((a, b) => logits[b]! - logits[a]!)
    .slice(0, count)
    .map((index) => ({
      class: index,
      label: labels?.[index] ?? `class ${index}`,
      logit: logits[index]!,
      probability: Math.exp(logits[index]! - peak) / sum,
    }));
}

function asDocument(network: Network, { output, masks, profile }: RunResult) {
  return {
    model: network.name,
    input: { batch: output.shape[0] },
    top: Array.from({ length: output.shape[0] }, (_, image) => top(output, image, network.labels)),
    masks: masks.map((mask) => ({
      block: mask.block,
      granularity: mask.granularity,
      rows: mask.rows,
      columns: mask.columns,
      active: countActive(mask),
      cells: mask.cells.length,
    })),
    profile,
  };
}

function countActive(mask: Mask): number {
  return mask.cells.reduce((sum, cell) => sum + cell, 0);
}

function asText(network: Network, { output, profile }: RunResult): string {
  const lines = [
    `${network.name}: ${profile.strategy} on ${profile.source}, ${profile.threads} threads, batch ${profile.batch}: ${profile.totalMs.toFixed(2)} ms`,
    `${(profile.flops / 1e9).toFixed(3)} GFLOPs done, ${(profile.flopsAvoided / 1e9).toFixed(3)} avoided`,
  ];
  for (let image = 0; image < output.shape[0]; image++) {
    const best = top(output, image, network.labels, 3);
    lines.push(
      `image ${image}: ${best.map(({ label, probability }) => `${label} ${(100 * probability).toFixed(1)} %`).join(', ')}`,
    );
  }
  lines.push(
    '',
    asTable([
      ['block', 'stage', 'mode', 'S', 'rate', 'dilated', 'ms', 'GFLOPs', 'avoided'],
      ...profile.blocks.map((block) => [
        block.name,
        String(block.stage + 1),
        block.mode,
        String(block.granularity),
        block.rate.toFixed(3),
        block.dilatedRate.toFixed(3),
        block.totalMs.toFixed(3),
        (block.flops / 1e9).toFixed(4),
        (block.flopsAvoided / 1e9).toFixed(4),
      ]),
    ]),
    ...profile.notes.map((note) => `note: ${note}`),
  );
  return `${lines.join('\n')}\n`;
}
