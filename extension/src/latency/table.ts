import { csvText } from '@fovea/kernel/presentation';
import type { LatencyProfile, LatencyView } from '../documents/types';
import { OUTSIDE, outsideBlocks } from './outside';

export type Value = string | number | undefined;

/** A view's figures as a table: what a screen reader reads, and what CSV holds. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Value[])[];
}

const TIMES = ['total ms', 'compute ms', 'data movement ms', 'overhead ms'];

function blockRows(profile: LatencyProfile): Value[][] {
  const own = [profile.label, profile.origin, profile.device, profile.strategy];
  const rows: Value[][] = profile.blocks.map((block) => [
    ...own,
    block.name,
    block.stage + 1,
    block.granularity,
    block.rate,
    block.totalMs,
    block.computeMs,
    block.dataMs,
    block.overheadMs,
  ]);
  const outside = outsideBlocks(profile);
  if (outside) {
    const { totalMs, computeMs, dataMs, overheadMs } = outside;
    rows.push([...own, OUTSIDE, undefined, undefined, undefined, totalMs, computeMs, dataMs, overheadMs]);
  }
  return rows;
}

/** Rows of every view, in the order of the document. */
export function viewTable(view: LatencyView): Table {
  switch (view.kind) {
    case 'compare':
      return {
        columns: ['profile', 'origin', 'device', 'strategy', 'block', 'stage', 'S', 'rate', ...TIMES],
        rows: view.profiles.flatMap(blockRows),
      };
    case 'breakdown': {
      const names = new Map(view.profile.blocks.map((block) => [block.block, block.name]));
      return {
        columns: ['profile', 'origin', 'op', 'block', 'primitives', ...TIMES],
        rows: view.profile.ops.map((op) => [
          view.profile.label,
          view.profile.origin,
          op.name,
          names.get(op.block) ?? (op.block < 0 ? '' : op.block),
          op.primitives.join(' + '),
          op.totalMs,
          op.computeMs,
          op.dataMs,
          op.overheadMs,
        ]),
      };
    }
    case 'ratio':
      return {
        columns: [
          'series',
          'origin',
          'device',
          'stage',
          'S',
          'rate',
          'time relative to dense',
          'break-even rate',
        ],
        rows: view.series.flatMap((each) =>
          each.points.map((point) => [
            each.label,
            each.origin,
            each.device,
            each.stage + 1,
            each.granularity,
            point.rate,
            point.ratio,
            each.breakEven,
          ]),
        ),
      };
    case 'fusion':
    case 'strategies':
      return {
        columns: ['bar', 'origin', ...TIMES, 'dense ms'],
        rows: view.bars.map((bar) => [
          bar.label,
          bar.origin,
          bar.totalMs,
          bar.computeMs,
          bar.dataMs,
          bar.overheadMs,
          view.baselineMs,
        ]),
      };
    case 'pareto':
      return {
        columns: ['design', 'origin', 'ms', view.yLabel, 'on the front', ...(repeated(view) ? RANGES : [])],
        rows: view.points.map((point) => [
          point.label,
          point.origin,
          point.ms,
          point.score,
          point.onFront ? 'yes' : 'no',
          ...(repeated(view)
            ? [
                ...(point.msRange ?? [point.ms, point.ms]),
                ...(point.scoreRange ?? [point.score, point.score]),
              ]
            : []),
        ]),
      };
  }
}

/** Columns of a design's repetitions. */
const RANGES = ['least ms', 'most ms', 'least quality', 'most quality'];

const repeated = ({ points }: Extract<LatencyView, { kind: 'pareto' }>) =>
  points.some(({ msRange, scoreRange }) => msRange && scoreRange);

/** A table as a CSV file. */
export function toCsv({ columns, rows }: Table): string {
  return csvText([columns, ...rows]);
}
