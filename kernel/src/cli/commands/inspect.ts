import { describeNetwork, FoveaError, type NetworkDescription, programText } from '@fovea/engine';
import type { NodeDescription } from '@fovea/engine/backend';
import { plainGranularity } from '@fovea/engine/internal';
import type { Command } from 'commander';
import { formatPercent } from '../../presentation/index.js';
import { describeArgument } from '../options/argument.js';
import { MODEL_HELP, OUTPUT_NAME, openModel } from '../options/model.js';
import { parseSize, printJson } from '../options/parse.js';

interface InspectOptions {
  readonly outputName?: string;
  readonly config?: string;
  readonly json?: boolean;
  readonly inputSize?: string;
  readonly program?: string | true;
}

/** `fovea inspect`: what a model is made of, and where masks can save work. */
export function register(command: Command): void {
  describeArgument(command, MODEL_HELP)
    .option('--config <file>', "the checkpoint's JSON configuration (default: the .json beside it)")
    .option('--input-size <HxW>', "input height and width, or one side (default: the model's own)")
    .option(...OUTPUT_NAME)
    .option('--program [strategy]', 'print the program of the model under this strategy (default: streamed)')
    .option('--json', 'print one JSON document and nothing else')
    .action(async (model: string, { config, json, inputSize, outputName, program }: InspectOptions) => {
      if (json && program !== undefined) {
        throw new FoveaError('bad-argument', '--json with --program: programs are printed as text');
      }
      const size = inputSize === undefined ? {} : parseSize('--input-size', inputSize);
      const network = await openModel(model, config, { ...size, output: outputName });
      if (program !== undefined) {
        const strategy = program === true ? {} : { strategy: program };
        process.stdout.write(`${programText(network, { ...size, ...strategy })}\n`);
        return;
      }
      const description = describeNetwork(network, size);
      if (json) printJson(description);
      else process.stdout.write(asText(description));
    });
}

function asText(description: NetworkDescription): string {
  const { name, format, input, nodes, flops, adaptiveFlops, adaptiveFlopsActive, parameters } = description;
  const share = (avoidable: number) => formatPercent(flops > 0 ? avoidable / flops : 0, 0);
  const active =
    adaptiveFlopsActive > adaptiveFlops
      ? ` (${share(adaptiveFlopsActive)} with --excitation active: by default attention pools the whole map)`
      : '';
  const lines = [
    `${name} (${format}), input ${input.channels} x ${input.height} x ${input.width}`,
    `${scaled(parameters).trimEnd()} parameters, ${scaled(flops)}FLOPs an image (multiply-adds x 2)`,
    `${description.blocks} blocks, ${description.adaptiveBlocks} of them adaptive: masks can avoid up to ${share(adaptiveFlops)} of the FLOPs${active}`,
    '',
    ...table([
      ['', 'node', 'kind', 'stage', 'S', 'output', 'GFLOPs', 'parameters', 'structure'],
      ...nodes.map(row),
    ]),
    ...(description.notes.length > 0 ? ['', ...description.notes.map((note) => `note: ${note}`)] : []),
  ];
  return `${lines.join('\n')}\n`;
}

function row({ name, kind, shape, flops, parameters, block, operators, dense }: NodeDescription): string[] {
  return [
    block?.adaptive ? (block.masker ? 'M' : '*') : '',
    name,
    kind,
    block ? String(block.stage + 1) : '',
    block?.granularity === undefined ? '' : String(plainGranularity(block.granularity)),
    shape ? `${shape[2]} x ${shape[0]} x ${shape[1]}` : '?',
    flops > 0 ? (flops / 1e9).toFixed(4) : '',
    parameters > 0 ? String(parameters) : '',
    block?.structure ?? operators?.join(', ') ?? (dense === undefined ? '' : `dense: ${dense}`),
  ];
}

/** `*` marks an adaptive block, `M` one with a learned masker. */
function table(rows: readonly string[][]): string[] {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  const lines = rows.map((cells) =>
    cells
      .map((cell, i) => cell.padEnd(widths[i]!))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, '', '* adaptive, M adaptive with a learned masker'];
}

function scaled(value: number): string {
  for (const [unit, size] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const) {
    if (value >= size) return `${(value / size).toFixed(2)} ${unit}`;
  }
  return `${value} `;
}
