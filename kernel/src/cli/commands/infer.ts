import { readFile } from 'node:fs/promises';
import {
  blocksOf,
  FoveaError,
  fixedMasker,
  type Mask,
  type Masker,
  type Network,
  type RunResult,
  run,
  type Tensor,
  type TopClass,
  topClasses,
} from '@fovea/engine';
import { didYouMean, refusal, replaceFile } from '@fovea/engine/files';
import { maskerNames } from '@fovea/engine/internal';
import { float32Of, parseSafetensors, writeSafetensors } from '@fovea/engine/train';
import type { Command } from 'commander';
import { counted, formatPercent } from '../../presentation/index.js';
import { describeArgument } from '../options/argument.js';
import { readInput } from '../options/input.js';
import { MODEL_HELP, OUTPUT_NAME, openModel } from '../options/model.js';
import { asTable, parseInteger, parseRate, printJson } from '../options/parse.js';
import { addPreprocessing, type PreprocessingOptions } from '../options/preprocessing.js';
import { addRunning, parseRunning, type RunningOptions } from '../options/running.js';
import { checkOutput, inferred } from '../output/output-file.js';

/** Prefix of a `--masker` that names a file of masks. */
const FIXED = 'fixed:';

interface InferOptions extends PreprocessingOptions, RunningOptions {
  readonly input: string;
  readonly config?: string;
  readonly masker?: string;
  readonly rate?: string;
  readonly seed?: string;
  readonly output?: string;
  readonly outputName?: string;
  readonly json?: boolean;
}

/** `fovea infer`: runs a network adaptively on a file and says where it computed and how long it took. */
export function register(command: Command): void {
  describeArgument(command, MODEL_HELP).requiredOption(
    '--input <file>',
    '.safetensors with `input` (N, C, H, W, normalised), or an image',
  );
  addPreprocessing(command)
    .option('--config <file>', "the checkpoint's JSON configuration (default: the .json beside it)")
    .option(...OUTPUT_NAME)
    .option(
      '--masker <name>',
      'learned, saliency, random, or fixed:FILE (.safetensors with mask.0, mask.1, …) (default: learned where the network has it)',
    )
    .option('--rate <r>', 'activation rate for saliency and random, 0 to 1 (default: 0.5)')
    .option('--seed <n>', 'seed for random masks (default: 1)');
  addRunning(command)
    .option('--output <file>', 'write logits and masks to this .safetensors file')
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string, options: InferOptions) => {
      if (options.output !== undefined) {
        const masks = options.masker?.startsWith(FIXED) ? options.masker.slice(FIXED.length) : undefined;
        await checkOutput(options.output, inferred, [model, options.input, options.config, masks]);
      }
      const network = await openModel(model, options.config, { output: options.outputName });
      const input = await readInput(options.input, network, options);
      const masker = options.masker === undefined ? undefined : await parseMasker(options.masker, network);
      const result = await run(network, input, {
        ...parseRunning(options),
        ...(masker === undefined ? {} : { masker }),
        ...(options.rate === undefined ? {} : { rate: parseRate('--rate', options.rate) }),
        ...(options.seed === undefined ? {} : { seed: parseInteger('--seed', options.seed, 0) }),
      });
      if (options.output !== undefined) await save(options.output, network, result);
      if (options.json) printJson(asDocument(network, result));
      else process.stdout.write(asText(network, result));
    });
}

/** Reads `learned`, `saliency`, `random` or `fixed:FILE`. */
async function parseMasker(
  text: string,
  network: Network,
): Promise<'learned' | 'saliency' | 'random' | Masker> {
  const named = maskerNames.find((name) => name === text);
  if (named) return named;
  if (!text.startsWith(FIXED)) {
    throw new FoveaError(
      'unknown-name',
      `--masker "${text}": ${maskerNames.join(', ')} or fixed:FILE are accepted${didYouMean(text, maskerNames)}`,
    );
  }
  const path = text.slice(FIXED.length);
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new FoveaError('io', `cannot read masks from ${path}: ${refusal(cause, 'file')}`, { cause });
  }
  const file = parseSafetensors(bytes, path);
  const cells = new Map<number, Uint8Array>();
  const grids = new Map<number, readonly number[]>();
  const indices = blocksOf(network).map(({ index }) => index);
  for (const [name, { shape }] of file.tensors) {
    const number = /^mask\.(\d+)$/.exec(name)?.[1];
    if (number === undefined) continue;
    if (!indices.includes(Number(number))) {
      throw new FoveaError('bad-file', `${path}: ${name} is for a block that ${network.name} does not have`);
    }
    const values = float32Of(file, name, shape);
    if (values.some((value) => value !== 0 && value !== 1)) {
      throw new FoveaError('bad-file', `${path}: ${name} holds values other than 0 and 1`);
    }
    cells.set(Number(number), Uint8Array.from(values));
    grids.set(Number(number), shape);
  }
  const masker = fixedMasker(cells);
  return {
    ...masker,
    decide(context) {
      const { block, rows, columns } = context;
      const grid = grids.get(block.index);
      // The same number of cells in another grid would be other places.
      if (grid && grid.length > 1 && (grid.at(-2) !== rows || grid.at(-1) !== columns)) {
        throw new FoveaError(
          'bad-shape',
          `${path}: mask.${block.index} is (${grid.join(', ')}); block ${block.index} (${block.name}) has ${rows} x ${columns} cells here`,
        );
      }
      return masker.decide(context);
    },
  };
}

/** Saves logits and masks; if that fails, an earlier file is kept. */
async function save(path: string, { outputRank }: Network, { output, masks }: RunResult): Promise<void> {
  const { dims, values } = output.toFileOrder(outputRank);
  const content = writeSafetensors({
    logits: { shape: dims, values },
    ...Object.fromEntries(
      masks.map((mask) => [
        `mask.${mask.block}`,
        { shape: [mask.batch, mask.rows, mask.columns], values: Float32Array.from(mask.cells) },
      ]),
    ),
  });
  await replaceFile(path, content);
}

function asDocument(network: Network, { output, masks, profile }: RunResult) {
  return {
    model: network.name,
    input: { batch: profile.batch },
    output: { shape: output.toFileOrder(network.outputRank).dims },
    top: classesOf(network, output, profile.batch, 5),
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

/** The most probable classes of each image; empty where the output is no vector of classes. */
function classesOf(network: Network, output: Tensor, batch: number, count: number): TopClass[][] {
  return Array.from({ length: batch }, (_, image) => topClasses(output, image, count, network.labels));
}

function countActive(mask: Mask): number {
  return mask.cells.reduce((sum, cell) => sum + cell, 0);
}

/** FLOPs in 1e9. If everything is active, the masker's own FLOPs make the avoided ones slightly negative, which is not printed as -0.000. */
function giga(flops: number, digits: number): string {
  return (flops / 1e9).toFixed(digits).replace(/^-(?=[0.]+$)/, '');
}

function asText(network: Network, { output, profile }: RunResult): string {
  const lines = [
    `${network.name}: ${profile.strategy} on ${profile.source}, ${counted(profile.threads, 'thread')}, batch ${profile.batch}: ${profile.totalMs.toFixed(2)} ms`,
    `${giga(profile.flops, 3)} GFLOPs done, ${giga(profile.flopsAvoided, 3)} avoided`,
  ];
  const classes = classesOf(network, output, profile.batch, 3);
  if (classes.every((best) => best.length === 0)) {
    lines.push(`output of shape [${output.toFileOrder(network.outputRank).dims.join(', ')}]`);
  } else {
    for (const [image, best] of classes.entries()) {
      const shares = best.map(({ label, probability }) => `${label} ${formatPercent(probability, 1)}`);
      lines.push(`image ${image}: ${shares.join(', ')}`);
    }
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
        giga(block.flops, 4),
        giga(block.flopsAvoided, 4),
      ]),
    ]),
    ...profile.notes.map((note) => `note: ${note}`),
  );
  return `${lines.join('\n')}\n`;
}
