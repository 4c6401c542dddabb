import { describe, expect, it } from 'vitest';
import type { LatencyView } from '../../../kernel/src/display/mime.js';
import { counted, csvText, formatPercent, viewTitle } from '../../../kernel/src/presentation/index.js';
import { sampleViews } from '../../extension/support/samples.js';

describe('a percentage', () => {
  it('is whole from ten on, and has one decimal below, so that small rates stay apart', () => {
    expect([0, 0.004, 0.07, 0.0999, 0.1, 0.384, 1, 1.5].map((share) => formatPercent(share))).toEqual([
      ...['0 %', '0.4 %', '7 %', '10 %', '10 %', '38 %', '100 %', '150 %'],
    ]);
  });

  it('is not 0 where it is only small', () => {
    expect([0.0004, 0.0005, 1e-9].map((share) => formatPercent(share))).toEqual([
      '< 0.1 %',
      '0.1 %',
      '< 0.1 %',
    ]);
  });

  it('has as many decimals as are asked for', () => {
    expect([0, 0.07, 0.384].map((share) => formatPercent(share, 1))).toEqual(['0.0 %', '7.0 %', '38.4 %']);
    expect(formatPercent(0.0749, 0)).toBe('7 %');
  });
});

describe('a count', () => {
  it('has its noun in the singular for one alone', () => {
    expect([0, 1, 2].map((count) => counted(count, 'block'))).toEqual(['0 blocks', '1 block', '2 blocks']);
  });
});

describe('a CSV file', () => {
  it('has no trace of binary fractions, and keeps integers and small numbers', () => {
    const row = [0.1 + 0.2, 1.1 * 3, 1 / 3, 4111514624001, 1.23456789e-9, -0.7 - 0.1, 0];
    expect(csvText([row])).toBe('0.3,3.3,0.333333333333,4111514624001,1.23456789e-9,-0.8,0\r\n');
  });

  it('quotes what would break its lines, and leaves empty what is undefined', () => {
    expect(csvText([['a "b", c', undefined, 'two\nlines']])).toBe('"a ""b"", c",,"two\nlines"\r\n');
    expect(csvText([['a'], ['b']], '\n')).toBe('a\nb\n');
  });
});

describe('the title of a view', () => {
  it('is its own, or one for its kind', () => {
    const titles = sampleViews().map(({ title, ...view }) => viewTitle(view as LatencyView));
    expect(titles).toEqual([
      'Time per block',
      'lasnet-50: where the time goes',
      'Latency relative to dense',
      'What fusion saves',
      'Strategies',
      'Quality against latency',
    ]);
    expect(viewTitle({ ...sampleViews()[0]!, title: 'My own' })).toBe('My own');
  });
});
