import type { SearchResult } from '@fovea/engine/predict';
import { counted, formatPercent } from '../../presentation/index.js';
import { formatMs } from '../format-number.js';
import { right, type Table } from './table.js';

/** What a search found: the best choice for every stage and block, with the advice in words. */
export function searchTables(result: SearchResult): Table[] {
  const { network, device, batch, threads, objective, stages, blocks, totalMs, denseMs } = result;
  return [
    {
      title: `${network} on ${device}: ${formatMs(totalMs)} against ${formatMs(denseMs)} dense`,
      summary:
        `predicted for batch ${batch}, ${counted(threads, 'thread')}, ` +
        `looking for ${objective === 'finest' ? 'the finest masks' : 'the lowest latency'}`,
      columns: [right('stage'), right('blocks'), { label: 'strategy' }, right('S'), right('time')],
      rows: stages.map(({ stage, blocks: count, best }) => [
        stage + 1,
        count,
        best.strategy,
        best.strategy === 'dense' ? '' : best.granularity,
        formatMs(best.totalMs),
      ]),
    },
    {
      columns: [
        { label: 'block' },
        { label: 'strategy' },
        right('S'),
        right('time'),
        right('dense'),
        right('pays below rate'),
        { label: 'advice' },
      ],
      rows: blocks.map(({ name, best, dense, advice }) => [
        name,
        best.strategy,
        best.mode === 'dense' ? '' : best.granularity,
        formatMs(best.totalMs),
        formatMs(dense.totalMs),
        advice.breakEvenRate <= 0 ? 'never' : formatPercent(advice.breakEvenRate),
        advice.sentence,
      ]),
    },
  ];
}
