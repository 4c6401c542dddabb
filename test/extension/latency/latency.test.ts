import { describe, expect, it } from 'vitest';
import { readLatency } from '../../../extension/src/documents/latency';
import type { LatencyView } from '../../../extension/src/documents/types';
import { buildFigure, type FigureSpace } from '../../../extension/src/latency/figures';
import { ORIGIN_LOOK } from '../../../extension/src/latency/figures/figure';
import { legendEntries } from '../../../extension/src/latency/legend';
import { viewSentence } from '../../../extension/src/latency/summary';
import { toCsv, viewTable } from '../../../extension/src/latency/table';
import { sampleProfile, sampleViews } from '../support/samples';

const theme = {
  dark: false,
  ink: '#111111',
  quiet: '#666666',
  line: '#dddddd',
  paper: '#ffffff',
  font: 'sans-serif',
};
const wide: FigureSpace = { width: 900, theme };
const narrow: FigureSpace = { width: 300, theme: { ...theme, dark: true } };

type Trace = Record<string, never> & {
  readonly name: string;
  readonly x: number[];
  readonly y: number[];
  readonly marker: { color: string; symbol: string; pattern: { shape: string | string[] } };
  readonly line: { color: string; dash: string };
};
const traces = (view: LatencyView, space = wide, grain?: 'op' | 'block') =>
  buildFigure(view, space, grain).data as unknown as Trace[];

/** The sample of a kind, with the type of its variant. */
const view = <K extends LatencyView['kind']>(kind: K) =>
  sampleViews().find((each) => each.kind === kind) as LatencyView & { readonly kind: K };

describe.each(sampleViews().map((each) => [each.kind, each] as const))('the figure %s', (_, each) => {
  it.each([
    ['wide', wide],
    ['narrow and dark', narrow],
  ])('is plain data of its place’s width, %s', (_name, space) => {
    const figure = buildFigure(each, space);
    expect(JSON.parse(JSON.stringify(figure))).toEqual(figure);
    expect(figure.layout.width).toBe(space.width);
    expect(figure.data.length).toBeGreaterThan(0);
  });

  it('says in its legend or on its axis where every figure comes from, and never twice', () => {
    const origins = new Set(JSON.stringify(each).match(/(?<="origin":")\w+/g));
    const figure = buildFigure(each, wide);
    const axes = [figure.layout.xaxis, figure.layout.yaxis] as { title: { text: string } }[];
    const labels = [
      ...legendEntries(figure).map(({ label }) => label),
      ...axes.map(({ title }) => title.text),
    ];
    for (const label of labels) expect(label).not.toMatch(/(predicted|measured|published).*\1/);
    for (const origin of origins) expect(labels.some((label) => label.includes(origin))).toBe(true);
  });

  it('leaves the document as it was', () => {
    const before = JSON.stringify(each);
    buildFigure(each, narrow);
    expect(JSON.stringify(each)).toBe(before);
  });
});

describe('origins', () => {
  it('differ in hatching, dash and marker, not in colour alone', () => {
    for (const key of ['hatch', 'dash', 'symbol'] as const) {
      expect(new Set(Object.values(ORIGIN_LOOK).map((look) => look[key])).size).toBe(3);
    }
  });
});

describe('predicted beside measured', () => {
  it('has a bar per block and profile, and one for what stands outside blocks', () => {
    const [predicted, measured] = traces(view('compare'));
    expect(predicted!.y).toHaveLength(17);
    expect(predicted!.y.at(-1)).toBeCloseTo(1.2);
    expect(predicted!.marker.pattern.shape).toBe('/');
    expect(measured!.marker.pattern.shape).toBe('');
  });

  it('says how far the prediction is off', () => {
    expect(viewSentence(view('compare'))).toBe(
      'lasnet-50 16.6 ms (predicted) · lasnet-50 17.5 ms (measured) · prediction 5.7 % below',
    );
  });
});

describe('the breakdown', () => {
  it('stacks compute, data movement and overhead to each op’s time', () => {
    const { profile } = view('breakdown');
    const [compute, data, overhead] = traces(view('breakdown'));
    profile.ops.forEach((op, index) => {
      expect(compute!.y[index]! + data!.y[index]! + overhead!.y[index]!).toBeCloseTo(op.totalMs, 9);
    });
  });

  it('stacks per block when asked', () => {
    expect(traces(view('breakdown'), wide, 'block')[0]!.y).toHaveLength(16);
  });

  it('names blocks under the axis when ops do not fit, thinned out', () => {
    const ticks = (space: FigureSpace) =>
      (buildFigure(view('breakdown'), space).layout.xaxis as { ticktext: string[] }).ticktext;
    expect(ticks({ ...wide, width: 2000 })[0]).toBe('stem');
    expect(ticks(wide)[0]).toBe('layer1.0');
    expect(ticks(narrow).length).toBeLessThanOrEqual(12);
  });

  it('keeps names apart where many blocks of one op lie beside one of many', () => {
    const given = view('breakdown');
    const [op] = given.profile.ops;
    const ops = Array.from({ length: 200 }, (_, i) => ({
      ...op!,
      name: `op ${i}`,
      block: Math.min(i, 120),
    }));
    const { xaxis } = buildFigure({ ...given, profile: { ...given.profile, ops } }, wide).layout as {
      xaxis: { tickvals: number[] };
    };
    const gaps = xaxis.tickvals.slice(1).map((position, i) => position - xaxis.tickvals[i]!);
    // Twenty pixels of 900 for each name at least.
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual((20 * 200) / 900);
    expect(xaxis.tickvals.length).toBeGreaterThan(10);
  });
});

describe('whole times as bars', () => {
  const bars = [
    { label: 'streamed', origin: 'predicted', totalMs: 3, computeMs: 2, dataMs: 0.8, overheadMs: 0.2 },
    { label: 'onnx', origin: 'measured', totalMs: 4 },
  ] as const;
  const entries = (some: readonly (typeof bars)[number][]) =>
    legendEntries(buildFigure({ kind: 'strategies', bars: some }, wide));

  it('gives every entry of the legend a look of its own', () => {
    const shown = entries(bars);
    expect(shown.map(({ label }) => label)).toEqual([
      'Compute',
      'Data movement',
      'Overhead',
      'Not split',
      'predicted',
      'measured',
    ]);
    expect(new Set(shown.map(({ color, hatch }) => `${color} ${hatch}`)).size).toBe(6);
  });

  it('draws a time that is not split in the colour that the legend says', () => {
    const { data } = buildFigure({ kind: 'strategies', bars }, wide) as unknown as {
      data: { x: (number | null)[]; marker: { color: string } }[];
    };
    const drawn = data.find(({ x }) => x[1] === 4)!;
    expect(drawn.marker.color).toBe(entries(bars).find(({ label }) => label === 'Not split')!.color);
  });

  it('leaves out what does not occur', () => {
    expect(entries(bars.slice(0, 1)).map(({ label }) => label)).toEqual([
      'Compute',
      'Data movement',
      'Overhead',
    ]);
    expect(entries(bars.slice(1))).toEqual([]);
  });
});

describe('ratio against rate', () => {
  it('draws predicted and measured of one stage and S in one colour, with different lines', () => {
    const [predicted, measured, other] = traces(view('ratio'));
    expect(predicted!.line.color).toBe(measured!.line.color);
    expect(predicted!.line.color).not.toBe(other!.line.color);
    expect([predicted!.line.dash, measured!.line.dash]).toEqual(['dash', 'solid']);
  });

  it('marks each break-even on the line of dense', () => {
    const { series } = view('ratio');
    const marks = traces(view('ratio')).filter((trace) => trace.y.length === 1 && trace.y[0] === 1);
    expect(marks.map((mark) => mark.x[0])).toEqual(series.map((each) => 100 * each.breakEven!));
  });

  it('says rates in percent as the page does', () => {
    const { layout, data } = buildFigure(view('ratio'), wide);
    expect(layout.xaxis).toMatchObject({ ticksuffix: ' %', range: [0, 102] });
    expect(data[0]).toMatchObject({
      x: expect.arrayContaining([100]),
      customdata: expect.arrayContaining(['100 %']),
    });
  });

  it('sums the break-evens up by origin', () => {
    expect(viewSentence(view('ratio'))).toBe(
      'Faster than dense below an activation rate of 78 % to 90 % (predicted) · 73 % to 87 % (measured) · 58 % (published)',
    );
  });
});

describe('bars', () => {
  it('add up to the whole time, with or without parts', () => {
    for (const each of [view('fusion'), view('strategies')]) {
      const drawn = traces(each).filter((trace) => trace.x[0] !== null);
      each.bars.forEach((bar, index) => {
        expect(drawn.reduce((sum, trace) => sum + trace.x[index]!, 0)).toBeCloseTo(bar.totalMs, 9);
      });
    }
  });

  it('name the fastest, and how it compares with dense', () => {
    expect(viewSentence(view('strategies'))).toBe(
      'Fastest: auto, 12.1 ms, 1.93× the speed of dense (predicted)',
    );
  });
});

describe('the Pareto front', () => {
  it('is drawn over what lies behind it, which is faint where it is crowded', () => {
    const points = Array.from({ length: 2000 }, (_, i) => ({
      ...{ ms: 1 + (i % 40), score: i % 50, label: `${i}`, origin: 'measured' as const, onFront: i === 49 },
    }));
    type Trace = { name: string; zorder: number; marker?: { opacity: number } };
    const data = buildFigure({ kind: 'pareto', yLabel: 'accuracy', points }, wide)
      .data as unknown as readonly Trace[];
    const of = (name: string) => data.find((trace) => trace.name === name)!;
    expect(of('measured').zorder).toBeGreaterThan(of('measured, behind the front').zorder);
    expect(of('front').zorder).toBeGreaterThan(of('measured, behind the front').zorder);
    expect(of('measured, behind the front').marker!.opacity).toBeLessThan(0.5);
  });

  it('joins its points from fast to slow', () => {
    expect(traces(view('pareto'))[0]!.x).toEqual([12.2, 14.1, 23.4]);
  });

  it('names points on the left, on the right where that would be cut off, and below where others stand', () => {
    const points = [
      { ms: 2, label: 'a name of thirty letters, about' },
      { ms: 2, label: 'short' },
      { ms: 9, label: 'a name of thirty letters, about' },
      { ms: 10, label: 'a name that is far longer than the whole figure is wide '.repeat(5) },
    ].map((point) => ({ ...point, score: 1, origin: 'measured' as const, onFront: true }));
    const named = buildFigure({ kind: 'pareto', yLabel: 'accuracy', points }, wide).data.find(
      ({ textposition }) => textposition !== undefined,
    );
    expect(named?.textposition).toEqual(['top right', 'top left', 'top left', 'bottom left']);
  });

  it('keeps names off the steps of the front where there is room', () => {
    const points = [
      { ms: 1, score: 0.5, label: 'longer than the way to the next point' },
      { ms: 2, score: 0.7, label: 'next' },
      { ms: 20, score: 0.9, label: 'last' },
    ].map((point) => ({ ...point, origin: 'measured' as const, onFront: true }));
    const named = buildFigure({ kind: 'pareto', yLabel: 'accuracy', points }, wide).data.find(
      ({ textposition }) => textposition !== undefined,
    );
    expect(named?.textposition).toEqual(['bottom right', 'top left', 'top left']);
  });

  it('names the fastest of a crowded front, and none over another', () => {
    const points = Array.from({ length: 60 }, (_, i) => ({
      ...{ ms: 1 + i / 60, score: i, label: `design ${i}`, origin: 'measured' as const, onFront: true },
    }));
    const named = buildFigure({ kind: 'pareto', yLabel: 'accuracy', points }, wide).data.find(
      ({ textposition }) => textposition !== undefined,
    ) as unknown as { text: string[] };
    expect(named.text[0]).toBe('design 0');
    const shown = named.text.filter((text) => text !== '');
    expect(shown.length).toBeGreaterThan(2);
    // A name is higher than the 360 pixels of the plot allow sixty of them to be.
    expect(shown.length).toBeLessThan(56);
  });
});

describe('names of any length', () => {
  const long = (end: string) =>
    `${'a name that is far longer than the whole figure is wide '.repeat(3)}${end}`;
  const most = (texts: readonly string[]) => Math.max(...texts.map(({ length }) => length));

  it('keep both their ends, and leave room for what they name', () => {
    const bars = [1, 2].map((each) => ({
      label: `${each}: ${long(`${each}`)}`,
      origin: 'measured' as const,
      totalMs: each,
    }));
    const { yaxis } = buildFigure({ kind: 'strategies', bars }, wide).layout as unknown as {
      yaxis: { ticktext: string[] };
    };
    expect(yaxis.ticktext[1]).toMatch(/^2: a name.*….*2$/);
    expect(7 * most(yaxis.ticktext)).toBeLessThanOrEqual(0.4 * wide.width);
  });

  it('that begin alike differ by the rest', () => {
    const bars = [1, 2].map((each) => ({
      label: `${long('')}.layer${each}.and.more.than.half.of.a.name.that.is.the.same`,
      origin: 'measured' as const,
      totalMs: each,
    }));
    const { yaxis } = buildFigure({ kind: 'strategies', bars }, wide).layout as unknown as {
      yaxis: { ticktext: string[] };
    };
    expect(yaxis.ticktext).toEqual(['…layer1…', '…layer2…']);
  });

  it('fit on one side of every point of a front, whole when pointed at', () => {
    const points = [1, 6].map((ms) => ({
      ...{ ms, label: long(`${ms}`), score: ms, origin: 'measured' as const, onFront: true },
    }));
    const figure = buildFigure({ kind: 'pareto', yLabel: long(''), points }, wide);
    const named = figure.data.find(({ textposition }) => textposition !== undefined) as unknown as {
      text: string[];
      customdata: string[];
    };
    expect(6 * most(named.text)).toBeLessThanOrEqual(wide.width / 2);
    expect(named.customdata).toEqual(points.map(({ label }) => label));
    const { yaxis } = figure.layout as unknown as { yaxis: { title: { text: string } } };
    expect(yaxis.title.text.length).toBeLessThan(60);
  });
});

describe('axes', () => {
  it('have plain numbers: a prefix would say micro on an axis of milliseconds', () => {
    for (const each of sampleViews()) {
      const { xaxis, yaxis } = buildFigure(each, wide).layout;
      expect([xaxis, yaxis]).toEqual([
        expect.objectContaining({ exponentformat: 'none' }),
        expect.objectContaining({ exponentformat: 'none' }),
      ]);
    }
  });
});

describe('text of a document', () => {
  it('is not taken for markup', () => {
    const profile = { ...sampleProfile('<a href="http://x">l</a>', 'measured'), strategy: 's' };
    const figure = buildFigure({ kind: 'compare', profiles: [profile] }, wide);
    expect(JSON.stringify(figure)).not.toContain('<a ');
    expect(legendEntries(figure)[0]!.label).toBe('<a href="http://x">l</a> · measured');
  });
});

describe('tables and CSV', () => {
  it('have as many fields in every row as there are columns', () => {
    for (const each of sampleViews()) {
      const { columns, rows } = viewTable(each);
      expect(rows.length).toBeGreaterThan(0);
      for (const row of rows) expect(row).toHaveLength(columns.length);
    }
  });

  it('quote what needs it, keep all digits, and leave unknown values empty', () => {
    expect(
      toCsv({
        columns: ['label', 'ms'],
        rows: [
          ['a "b", c', 1 / 3],
          ['two\nlines', undefined],
        ],
      }),
    ).toBe('label,ms\r\n"a ""b"", c",0.333333333333\r\n"two\nlines",\r\n');
  });

  it('count stages from one, as the page does', () => {
    const { columns, rows } = viewTable(view('compare'));
    expect(rows[0]![columns.indexOf('stage')]).toBe(1);
  });

  it('hold what the figure holds: the blocks and what lies outside of them', () => {
    const compared = view('compare');
    const { columns, rows } = viewTable(compared);
    const drawn = buildFigure(compared, wide).data.flatMap(({ y }) => y as number[]);
    expect(rows.map((row) => row[columns.indexOf('total ms')])).toEqual(drawn);
    expect(rows.map((row) => row[columns.indexOf('block')])).toContain('stem, head');
  });
});

describe('quality against latency', () => {
  it('has the label of its quality on the axis as text, beginning like that of the other axis', () => {
    const { layout } = buildFigure({ ...view('pareto'), yLabel: 'accuracy <b>' }, wide);
    expect(layout.yaxis).toMatchObject({ title: { text: 'Accuracy &lt;b&gt;' } });
    expect(layout.xaxis).toMatchObject({ title: { text: 'Milliseconds' } });
  });
});

describe('points that are medians', () => {
  const sample = view('pareto');
  const points = sample.points.map((point, i) =>
    i > 0 ? point : { ...point, msRange: [point.ms - 0.5, point.ms + 1], scoreRange: [0, 1] },
  );
  const repeated = { ...sample, points } as typeof sample;

  it('have lines from the least to the most, and four columns in the table', () => {
    const [first] = points;
    const found = buildFigure(repeated, wide).data.flatMap((trace) =>
      'error_x' in trace ? [trace as unknown as { x: number[]; error_x: Record<string, number[]> }] : [],
    );
    expect(found).toHaveLength(1);
    const at = found[0]!.x.indexOf(first!.ms);
    expect(found[0]!.error_x.array![at]).toBeCloseTo(1);
    expect(found[0]!.error_x.arrayminus![at]).toBeCloseTo(0.5);
    const { columns, rows } = viewTable(repeated);
    expect(columns.slice(-4)).toEqual(['least ms', 'most ms', 'least quality', 'most quality']);
    expect(rows[0]!.slice(-4)).toEqual([first!.ms - 0.5, first!.ms + 1, 0, 1]);
    expect(rows[1]!.slice(-2)).toEqual([points[1]!.score, points[1]!.score]);
  });

  it('are refused when their range is none', () => {
    const wrong = { ...sample, points: [{ ...sample.points[0], msRange: [2, 1] }] };
    expect(() => readLatency({ version: 1, views: [wrong] })).toThrow(
      /msRange: found .* expected the least, then the most/,
    );
  });
});
