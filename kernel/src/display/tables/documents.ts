import { formatPercent, viewTitle } from '../../presentation/index.js';
import { formatFigure, formatMs } from '../format-number.js';
import type { LatencyDocument, LatencyView, MasksDocument } from '../mime.js';
import { originSuffix } from '../origin.js';
import { type Cell, right, type Table } from './table.js';

/** Content of a mask document in rows: one per block, the rates of its images beside each other. */
export function masksTable(document: MasksDocument): Table {
  const shown = document.images.slice(0, 6);
  const blocks = shown[0]?.blocks ?? [];
  const hidden = document.images.length - shown.length;
  return {
    title: [document.title ?? 'Masks', document.network, document.strategy].filter(Boolean).join(' · '),
    columns: [
      { label: 'block' },
      right('S'),
      right('cells'),
      ...shown.map((image) => right(`rate, ${image.name}`)),
    ],
    rows: blocks.map((block, i) => [
      block.name,
      block.granularity,
      `${block.rows}x${block.columns}`,
      ...shown.map((image) => formatPercent(image.blocks[i]?.rate ?? 0)),
    ]),
    notes: [
      ...shown.flatMap(({ name, top = [] }) =>
        top.length === 0
          ? []
          : [
              `${name}: ${top.map((entry) => `${entry.label} ${formatPercent(entry.probability)}`).join(', ')}`,
            ],
      ),
      ...(hidden > 0 ? [`and ${hidden} more images`] : []),
    ],
  };
}

/** One table per view of a latency document. */
export function latencyTables(document: LatencyDocument): Table[] {
  return document.views.map((view) => ({ title: viewTitle(view), ...viewTable(view) }));
}

function viewTable(view: LatencyView): Pick<Table, 'columns' | 'rows' | 'notes'> {
  switch (view.kind) {
    case 'compare':
      return {
        columns: [
          { label: 'block' },
          ...view.profiles.map((profile) =>
            right(profile.label + originSuffix(profile.label, profile.origin)),
          ),
        ],
        rows: [
          ...[...new Set(view.profiles.flatMap((profile) => profile.blocks.map((block) => block.block)))].map(
            (index): Cell[] => {
              const own = view.profiles.map((profile) =>
                profile.blocks.find((block) => block.block === index),
              );
              return [
                own.find((block) => block !== undefined)?.name,
                ...own.map((block) => (block === undefined ? '' : formatMs(block.totalMs))),
              ];
            },
          ),
          ['whole network', ...view.profiles.map((profile) => formatMs(profile.totalMs))],
        ],
      };
    case 'breakdown':
      return {
        columns: [
          { label: 'pass' },
          right('total'),
          right('compute'),
          right('data movement'),
          right('overhead'),
        ],
        rows: view.profile.ops.map((op) => [
          op.name,
          formatMs(op.totalMs),
          formatMs(op.computeMs),
          formatMs(op.dataMs),
          formatMs(op.overheadMs),
        ]),
        notes: [`${view.profile.origin}, whole network ${formatMs(view.profile.totalMs)}`],
      };
    case 'ratio':
      return {
        columns: [{ label: 'series' }, { label: 'origin' }, right('pays up to'), { label: 'ratio at rate' }],
        rows: view.series.map(({ label, origin, breakEven, points }) => [
          label,
          origin,
          breakEven === undefined ? 'never' : formatPercent(breakEven),
          points.map(({ rate, ratio }) => `${formatFigure(ratio)} at ${formatPercent(rate)}`).join(', '),
        ]),
      };
    case 'fusion':
    case 'strategies':
      return {
        columns: [{ label: '' }, { label: 'origin' }, right('time'), right('of dense')],
        rows: view.bars.map(({ label, origin, totalMs }) => [
          label,
          origin,
          formatMs(totalMs),
          view.baselineMs === undefined ? '' : formatPercent(totalMs / view.baselineMs),
        ]),
      };
    case 'pareto':
      return {
        columns: [
          { label: '' },
          right('latency'),
          right(view.yLabel),
          { label: 'front' },
          { label: 'origin' },
        ],
        rows: view.points.map(({ label, ms, score, onFront, origin }) => [
          label,
          formatMs(ms),
          formatFigure(score),
          onFront ? 'yes' : '',
          origin,
        ]),
      };
  }
}
