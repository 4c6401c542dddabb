import { describe, expect, it } from 'vitest';
import { paretoView } from '../../../kernel/src/display/documents/latency.js';
import { drawPareto } from '../../../kernel/src/display/draw/curves.js';
import { sweepBundle } from '../../../kernel/src/sweep/live-display.js';
import type { Point, PointRecord } from '../../../kernel/src/sweep/point.js';
import { paretoOf, recordsCsv, sweepRows, sweepTable } from '../../../kernel/src/sweep/rows.js';
import { sampleSweep } from '../../extension/support/samples.js';

/** A record of a design; `ms` is its latency, `top1` its agreement. */
function record(
  rate: number,
  repeat: number,
  ms: number,
  top1: number,
  more: Partial<Point> = {},
): PointRecord {
  const point: Point = { kind: 'measure', network: 'quick-look', rate, where: {}, repeat, ...more };
  return {
    ...{ id: `p${rate}-${repeat}-${ms}`, point, status: 'completed', attempts: 1, worker: 'a' },
    result: { latencyMs: { dense: 2, adaptive: ms }, agreement: { top1, cosine: 1 }, images: 1 },
    ...{ startedAt: '2026-01-01T00:00:00.000Z', endedAt: '2026-01-01T00:00:01.000Z' },
  };
}

const records = [
  ...[record(0.25, 0, 1.3, 0.5), record(0.25, 1, 1.0, 1), record(0.25, 2, 1.1, 1)],
  ...[record(0.5, 0, 1.6, 1), record(0.5, 1, 1.8, 1), record(0.5, 2, 1.7, 1)],
];

describe('the rows of a sweep', () => {
  it('are one for each design: medians over its repetitions, with least and most', () => {
    const rows = sweepRows(records);
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({
      repeats: 3,
      figures: { adaptiveMs: 1.1, agreement: 1 },
      ranges: { adaptiveMs: [1.0, 1.3], agreement: [0.5, 1] },
    });
    const { columns, rows: cells } = sweepTable(rows);
    expect(columns).toEqual([
      ...['network', 'rate', 'repeats', 'denseMs', 'adaptiveMs', 'adaptiveMs range'],
      ...['agreement', 'agreement range', 'cosine', 'images', 'worker'],
    ]);
    expect(cells[1]).toEqual(['quick-look', '0.5', 3, 2, 1.7, '1.6–1.8', 1, '1–1', 1, 1, 'a']);
  });

  it('have no ranges where nothing was repeated', () => {
    const rows = sweepRows([records[0]!, records[3]!]);
    expect(rows.map(({ repeats, ranges }) => [repeats, ranges])).toEqual([
      [1, {}],
      [1, {}],
    ]);
    expect(sweepTable(rows).columns).not.toContain('repeats');
    expect(paretoOf(rows)!.points[0]).toEqual({ label: 'quick-look r=0.25', ms: 1.3, score: 0.5 });
  });

  it('leave failed repetitions out of the medians and say why they failed', () => {
    const failed = { ...record(0.25, 3, 9, 0), status: 'failed' as const, result: null, error: 'no memory' };
    const [row] = sweepRows([...records.slice(0, 3), failed]);
    expect(row).toMatchObject({ repeats: 3, figures: { adaptiveMs: 1.1 }, error: 'no memory' });
  });

  it('put shards together before repetitions are compared', () => {
    const shard = (repeat: number, images: number, top1: number): PointRecord => {
      const one = record(0.5, repeat, 1, top1, { kind: 'evaluate', data: { seed: images, images } });
      return { ...one, result: { agreement: { top1 }, images } };
    };
    const [row, ...rest] = sweepRows([shard(0, 3, 1), shard(0, 1, 0), shard(1, 3, 0), shard(1, 1, 1)]);
    expect(rest).toEqual([]);
    expect(row).toMatchObject({ repeats: 2, figures: { agreement: 0.5, images: 4 } });
    expect(row!.ranges.agreement).toEqual([0.25, 0.75]);
  });

  it('are points of the figure with their spread', () => {
    const { points, yLabel } = paretoOf(sweepRows(records))!;
    expect(points).toHaveLength(2);
    const view = paretoView(points, { yLabel });
    if (view.kind !== 'pareto') throw new Error('not a pareto view');
    const { content } = drawPareto('t', view);
    // A line from the least to the most latency of both designs.
    expect(content.match(/M[\d.]+ [\d.]+H[\d.]+M[\d.]+ [\d.]+V[\d.]+/g)).toHaveLength(2);
  });
});

describe('records as CSV', () => {
  it('are one line each, or one line for each design', () => {
    expect(recordsCsv(records).trim().split('\n')).toHaveLength(7);
    const [head, first, ...rest] = recordsCsv(records, { medians: true }).trim().split('\n');
    expect(head).toMatch(
      /^kind,network,.*,where,repeats,denseMs,denseMsLeast,denseMsMost,adaptiveMs,adaptiveMsLeast,/,
    );
    const cells = Object.fromEntries(head!.split(',').map((name, i) => [name, first!.split(',')[i]]));
    expect(cells).toMatchObject({
      rate: '0.25',
      repeats: '3',
      adaptiveMs: '1.1',
      adaptiveMsLeast: '1',
      adaptiveMsMost: '1.3',
    });
    expect(rest).toHaveLength(1);
  });

  it('have no trace of binary fractions', () => {
    const [, line] = recordsCsv([{ ...record(0.1 + 0.2, 0, 1.1 * 3, 0.7 + 0.1), id: 'a' }]).split('\n');
    expect(line).toMatch(/,0\.3,/);
    expect(line).toMatch(/,3\.3,/);
    expect(line).not.toMatch(/0000000|9999999/);
  });
});

describe('the table of a sweep for other front ends', () => {
  it('keeps figures in one line, and lets names and sentences be broken', () => {
    const table = {
      columns: ['network', 'adaptiveMs', 'adaptiveMs range', 'accuracy', 'error'],
      rows: [
        ['sha256:0123456789abcdef', 1.5, '1.2–1.8', '', ''],
        ['quick-look', 2, '', 0.5, 'The worker ended'],
      ],
    };
    const { data } = sweepBundle({ ...sampleSweep('completed'), table });
    const heads = [...String(data['text/html']).matchAll(/<th style="([^"]*)">([^<]*)</g)];
    const whole = heads.filter(([, style]) => style!.includes('nowrap')).map(([, , label]) => label);
    expect(whole).toEqual(['adaptiveMs', 'adaptiveMs range', 'accuracy']);
  });
});
