import {
  activeFraction,
  type Device,
  describeNetwork,
  type Mask,
  type Network,
  type NetworkDescription,
  type Plan,
  type Profile,
  type Tensor,
} from '@fovea/engine';
import { spreadCells } from '@fovea/engine/backend';
import { plainGranularity } from '@fovea/engine/internal';
import { counted, formatPercent } from '../../presentation/index.js';
import { parts } from '../draw/style.js';
import { formatBytes, formatCount, formatFigure, formatMs } from '../format-number.js';
import { right, type Table } from './table.js';

const side = (granularity: number) => String(plainGranularity(granularity));

/** A network's nodes with shapes, FLOPs and parameters, and where masks can skip work. */
export function networkTable(network: Network | NetworkDescription): Table {
  const description = 'flops' in network ? network : describeNetwork(network);
  const { name, format, input, nodes, flops, adaptiveFlops, adaptiveFlopsActive, parameters } = description;
  const share = (avoidable: number) => formatPercent(flops > 0 ? avoidable / flops : 0);
  return {
    title: `${name} (${format})`,
    summary:
      `input ${input.channels} x ${input.height} x ${input.width}, ${formatCount(parameters)} parameters, ` +
      `${formatCount(flops)} FLOPs an image; masks can avoid up to ${share(adaptiveFlops)} of them` +
      (adaptiveFlopsActive > adaptiveFlops
        ? `, ${share(adaptiveFlopsActive)} where attention pools active pixels only`
        : ''),
    columns: [
      { label: 'node' },
      { label: 'kind' },
      right('stage'),
      { label: 'masks' },
      right('output'),
      right('FLOPs'),
      right('parameters'),
      { label: 'structure' },
    ],
    rows: nodes.map((node) => [
      node.name,
      node.kind,
      node.block && node.block.stage + 1,
      node.block === undefined
        ? ''
        : !node.block.adaptive
          ? 'never'
          : `${node.block.masker ? 'learned' : 'possible'}${node.block.granularity === undefined ? '' : `, S=${side(node.block.granularity)}`}`,
      node.shape === undefined ? '?' : `${node.shape[2]} x ${node.shape[0]} x ${node.shape[1]}`,
      node.flops > 0 ? formatCount(node.flops) : '',
      node.parameters > 0 ? formatCount(node.parameters) : '',
      node.block?.structure ?? node.operators?.join(', '),
    ]),
    notes: description.notes,
  };
}

/** A plan's passes, block by block. */
export function planTable(plan: Plan): Table {
  return {
    title: `Plan of ${plan.network}: ${plan.strategy}`,
    summary: `${plan.blocks.filter((block) => block.mode === 'adaptive').length} of ${plan.blocks.length} blocks adaptive; one bracket is one pass over memory`,
    columns: [right('block'), { label: 'mode' }, right('S'), { label: 'passes' }, { label: 'reason' }],
    rows: plan.blocks.map((block) => [
      block.block,
      block.mode,
      block.mode === 'dense' ? '' : side(block.granularity),
      passesText(block),
      block.reason,
    ]),
  };
}

function passesText({ groups, rewrite }: Plan['blocks'][number]): string {
  const passes = groups.map(
    ({ primitives, bandPixels }) =>
      `[${primitives.join(' + ')}${bandPixels === undefined ? '' : `, bands of ${bandPixels} pixels`}]`,
  );
  return [...passes, ...(rewrite ? [`rewritten by "${rewrite.name}"`] : [])].join(' ');
}

/** A device's figures. */
export function deviceTable(device: Device): Table {
  const peak = device.processingEngines * device.lanes * 2 * device.frequencyHz;
  const rows: [string, string][] = [
    ['kind', device.kind],
    ['peak, float32', `${formatCount(peak)}FLOP/s`],
    ['processing engines', `${device.processingEngines} of ${device.lanes} multiply-adds a cycle`],
    ['frequency', `${formatCount(device.frequencyHz)}Hz`],
    ['memory', `${formatBytes(device.memoryBandwidth)}/s`],
    [
      'shared cache',
      `${formatBytes(device.cacheBytes)}, ${formatFigure(device.cacheBandwidthRatio)} times the bandwidth of memory`,
    ],
    ['starting a pass', formatMs(device.launchMs)],
    ['nominal batch', String(device.nominalBatch)],
    ['calibrated', device.calibration === undefined ? 'no' : 'yes'],
  ];
  return {
    title: device.name,
    summary: device.source,
    columns: [{ label: '' }, { label: '' }],
    rows,
  };
}

/** A profile per block, with bars that share one scale, and what lies outside blocks. */
export function profileTable(profile: Profile): Table {
  const outside = profile.ops.filter((op) => op.block < 0);
  const longest = Math.max(0, ...profile.blocks.map((b) => b.totalMs), ...outside.map((op) => op.totalMs));
  const bar = (timing: { totalMs: number; computeMs: number; dataMs: number; overheadMs: number }) => ({
    text: formatMs(timing.totalMs),
    bar: parts.map(({ key, colour }) => ({ fraction: longest > 0 ? timing[key] / longest : 0, colour })),
  });
  const dense = profile.flops + profile.flopsAvoided;
  return {
    title: `${profile.network} · ${profile.strategy}: ${formatMs(profile.totalMs)} ${profile.kind}`,
    summary:
      `${profile.device}, ${profile.source}, batch ${profile.batch}, ` +
      `${counted(profile.threads, 'thread')}; ${formatCount(profile.flops)} FLOPs` +
      (profile.flopsAvoided > 0 ? `, ${formatPercent(profile.flopsAvoided / dense)} avoided` : ''),
    columns: [
      { label: 'block' },
      { label: 'mode' },
      right('S'),
      right('rate'),
      { label: 'time' },
      right('compute'),
      right('data movement'),
      right('overhead'),
      right('FLOPs avoided'),
    ],
    rows: [
      ...profile.blocks.map((block) => [
        block.name,
        block.mode,
        block.mode === 'dense' ? '' : side(block.granularity),
        block.mode === 'dense' ? '' : formatPercent(block.rate),
        bar(block),
        formatMs(block.computeMs),
        formatMs(block.dataMs),
        formatMs(block.overheadMs),
        block.flopsAvoided > 0 ? formatPercent(block.flopsAvoided / (block.flops + block.flopsAvoided)) : '',
      ]),
      ...outside.map((op) => [
        op.name,
        'outside blocks',
        '',
        '',
        bar(op),
        formatMs(op.computeMs),
        formatMs(op.dataMs),
        formatMs(op.overheadMs),
        '',
      ]),
    ],
    notes: profile.notes,
  };
}

/** Masks in rows, each with its share of active pixels. */
export function masksSummaryTable(masks: readonly Mask[]): Table {
  return {
    title: masks.length === 1 ? `Mask of block ${masks[0]!.block}` : `${masks.length} masks`,
    columns: [right('block'), right('S'), right('cells'), right('map'), right('images'), right('rate')],
    rows: masks.map((mask) => [
      mask.block,
      side(mask.granularity),
      `${mask.rows}x${mask.columns}`,
      `${mask.height}x${mask.width}`,
      mask.batch,
      formatPercent(activeFraction(spreadCells(mask.cells, mask, mask.batch, mask.height, mask.width))),
    ]),
  };
}

/** Shape and statistics of a tensor. */
export function tensorTable(tensor: Tensor): Table {
  const { count, min, max, mean, deviation, zeros, notFinite } = tensorStatistics(tensor.data);
  const first = Array.from(tensor.data.subarray(0, 8), formatFigure).join(', ');
  return {
    title: `Tensor ${tensor.shape.join(' x ')} (N, H, W, C), float32`,
    summary: `${formatCount(count)} values, ${formatBytes(count * 4)}`,
    columns: [right('min'), right('max'), right('mean'), right('std'), right('zeros'), right('not finite')],
    rows: [
      [
        formatFigure(min),
        formatFigure(max),
        formatFigure(mean),
        formatFigure(deviation),
        formatPercent(zeros / count),
        notFinite,
      ],
    ],
    notes: [`first values ${first}${count > 8 ? ', …' : ''}`],
  };
}

export interface TensorStatistics {
  readonly count: number;
  /** The four below are over finite values. */
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly deviation: number;
  readonly zeros: number;
  readonly notFinite: number;
}

/** Extremes, mean and standard deviation of values, NaN and infinities counted apart. */
export function tensorStatistics(values: ArrayLike<number>): TensorStatistics {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let zeros = 0;
  let finite = 0;
  let mean = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) continue;
    if (value < min) min = value;
    if (value > max) max = value;
    if (value === 0) zeros++;
    // Welford's update keeps large means from swallowing the deviation.
    finite++;
    const before = value - mean;
    mean += before / finite;
    squares += before * (value - mean);
  }
  const known = finite > 0;
  return {
    count: values.length,
    min: known ? min : Number.NaN,
    max: known ? max : Number.NaN,
    mean: known ? mean : Number.NaN,
    deviation: known ? Math.sqrt(squares / finite) : Number.NaN,
    zeros,
    notFinite: values.length - finite,
  };
}
