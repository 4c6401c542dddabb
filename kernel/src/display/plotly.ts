import { FoveaError } from '@fovea/engine';
import {
  anObject,
  aText,
  either,
  expectArgument,
  expectFields,
  expectOptions,
  listOf,
} from '@fovea/engine/files';
import { type MimeBundle, withPicture } from './bundle.js';
import { show } from './cell-output.js';
import {
  axisRoom,
  card,
  dot,
  horizontalAxis,
  type LegendEntry,
  padding,
  pageWidth,
  verticalAxis,
} from './draw/frame.js';
import { linearScale, type Scale } from './draw/scale.js';
import { seriesColour } from './draw/style.js';
import { type Drawing, element, round } from './draw/svg.js';
import { fitName, text } from './draw/text.js';
import { PLOTLY_MIME } from './mime.js';
import type { ShowOptions } from './show.js';
import { type Cell, tableText } from './tables/table.js';

/** A plotly figure as plain data, as plotly.js takes it. */
export interface PlotlyFigure {
  readonly data: readonly PlotlyTrace[];
  readonly layout?: Readonly<Record<string, unknown>>;
  readonly config?: Readonly<Record<string, unknown>>;
}

/** One trace of a plotly figure; fields not named here are passed on. */
export interface PlotlyTrace {
  readonly type?: string;
  readonly name?: string;
  readonly x?: ArrayLike<unknown>;
  readonly y?: ArrayLike<unknown>;
  readonly mode?: string;
  readonly [key: string]: unknown;
}

/**
 * Shows a plotly figure; it is interactive where the front end has plotly. Lines, points and bars also
 * travel as a picture, and every figure as a line of text per trace.
 *
 *     fovea.plotly({ data: [{ x: [1, 2, 3], y: [4, 1, 2] }], layout: { title: { text: 'Loss' } } });
 *
 * @throws FoveaError `bad-argument` when `data` is not a list of traces
 */
export function plotly(figure: PlotlyFigure | readonly PlotlyTrace[], options: ShowOptions = {}): void {
  const { id } = expectOptions(options, { id: aText }, 'plotly');
  show(plotlyBundle(figure), id);
}

const aFigure = either(
  { accepted: '{ data, layout }', holds: (value) => anObject.holds(value) && 'data' in (value as object) },
  listOf(anObject, 'traces'),
);

/** The representations that `plotly` shows. */
function plotlyBundle(figure: PlotlyFigure | readonly PlotlyTrace[]): MimeBundle {
  expectArgument(figure, aFigure, 'plotly: figure');
  const { data, layout = {}, config }: PlotlyFigure = 'data' in figure ? figure : { data: figure };
  if (!Array.isArray(data) || data.some((trace) => typeof trace !== 'object' || trace === null)) {
    throw new FoveaError('bad-argument', 'a plotly figure needs `data`: a list of trace objects');
  }
  expectFields({ layout, config }, { layout: anObject, config: anObject }, 'plotly: figure');
  const traces: readonly PlotlyTrace[] = data;
  const document = { data: traces.map(plain), layout: plain(layout), ...(config ? { config } : {}) };
  const bundle: MimeBundle = {
    data: { [PLOTLY_MIME]: document, 'text/plain': describe(traces, layout) },
    metadata: {},
  };
  const curves = traces.map(curveOf);
  const drawable =
    curves.every((curve) => curve !== undefined) && curves.some((curve) => curve.points.length > 0);
  return drawable ? withPicture(() => drawCurves(titleOf(layout.title), curves, layout), bundle) : bundle;
}

/** Typed arrays as lists, at any depth: JSON would write them as objects. */
function plain(value: unknown): unknown {
  if (ArrayBuffer.isView(value) && !(value instanceof DataView)) {
    return Array.from(value as unknown as ArrayLike<number | bigint>, (item) =>
      typeof item === 'bigint' ? Number(item) : item,
    );
  }
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  }
  return value;
}

/** A title may be text or, since plotly.js 3, an object with text. */
function titleOf(title: unknown): string {
  if (typeof title === 'string') return title;
  if (typeof title === 'object' && title !== null && 'text' in title) return String(title.text);
  return '';
}

function describe(traces: readonly PlotlyTrace[], layout: Readonly<Record<string, unknown>>): string {
  return tableText({
    title: titleOf(layout.title) || 'plotly figure',
    columns: [{ label: 'trace' }, { label: 'type' }, { label: 'points', align: 'right' }],
    rows: traces.map((trace, index): Cell[] => [
      trace.name ?? `trace ${index}`,
      trace.type ?? 'scatter',
      (trace.y ?? trace.x)?.length,
    ]),
  });
}

interface Curve {
  readonly name: string;
  readonly kind: 'line' | 'points' | 'bars';
  readonly points: readonly { readonly x: number; readonly y: number }[];
  /** Labels where x is not a number. */
  readonly categories?: readonly string[];
}

function curveOf(trace: PlotlyTrace, index: number): Curve | undefined {
  const { type = 'scatter', mode = 'lines', name = `trace ${index}` } = trace;
  if (!['scatter', 'scattergl', 'bar'].includes(type) || trace.y === undefined || trace.orientation === 'h')
    return undefined;
  const ys = Array.from(trace.y, Number);
  const xs = trace.x === undefined ? ys.map((_, i) => i) : Array.from(trace.x);
  const categorical = xs.some((x) => typeof x !== 'number' && typeof x !== 'bigint');
  const points = ys
    .map((y, i) => ({ x: categorical ? i : Number(xs[i]), y }))
    .filter(({ x, y }) => Number.isFinite(x) && Number.isFinite(y));
  const kind = type === 'bar' ? 'bars' : mode.includes('lines') ? 'line' : 'points';
  return { name, kind, points, ...(categorical ? { categories: xs.map(String) } : {}) };
}

function drawCurves(
  title: string,
  curves: readonly (Curve | undefined)[],
  layout: Readonly<Record<string, unknown>>,
): Drawing {
  const known = curves.filter((curve) => curve !== undefined);
  const axis = (name: string) => titleOf((layout[name] as { title?: unknown } | undefined)?.title);
  const legend = known.map(({ name, kind }, index): LegendEntry => {
    const mark = kind === 'line' ? 'line' : kind === 'points' ? 'dot' : 'box';
    return { label: name, colour: seriesColour(index), origin: 'measured', mark };
  });
  const height = 260;
  return card({ title, legend: legend.length > 1 ? legend : [], height: height + 44 }, (top) => {
    const bars = known.filter(({ kind }) => kind === 'bars');
    const xs = known.flatMap(({ points }) => points.map(({ x }) => x));
    const ys = known.flatMap(({ points }) => points.map(({ y }) => y));
    const half = bars.length > 0 ? 0.6 : 0;
    const [low, high] = extent(xs);
    const [bottom, ceiling] = extent(bars.length > 0 ? [0, ...ys] : ys);
    const categories = known.find((curve) => curve.categories !== undefined)?.categories;
    const y = linearScale([bottom, ceiling], [top + height, top + 22]);
    const left = padding + axisRoom(y, 50);
    const area = { left, right: pageWidth - padding - 10, top: top + 22, bottom: top + height };
    const x = linearScale([low - half, high + half], [area.left, area.right], 8);
    const marks = known.map(({ kind, points }, index) => {
      const colour = seriesColour(index);
      if (kind === 'line') {
        const d = points.map((p, i) => `${i === 0 ? 'M' : 'L'}${round(x(p.x))} ${round(y(p.y))}`).join('');
        return element('path', { d, fill: 'none', stroke: colour, 'stroke-width': 2 });
      }
      if (kind === 'points') return points.map((p) => dot(x(p.x), y(p.y), colour, 'measured')).join('');
      const width = (Math.abs(x(1) - x(0)) * 0.8) / bars.length;
      const offset = (bars.findIndex((bar) => bar.points === points) - bars.length / 2) * width;
      return points
        .map((p) =>
          element('rect', {
            x: x(p.x) + offset,
            y: Math.min(y(p.y), y(0)),
            width: Math.max(1, width - 1),
            height: Math.abs(y(p.y) - y(0)),
            fill: colour,
          }),
        )
        .join('');
    });
    const labels =
      categories === undefined
        ? horizontalAxis(area, x, axis('xaxis'))
        : categoryLabels(categories, x, area.bottom + 15);
    return [labels, verticalAxis(area, y, axis('yaxis')), ...marks].join('');
  });
}

/** Least width of a category's label, pixels: of closer ones some are left out. */
const leastLabel = 40;

function categoryLabels(categories: readonly string[], x: Scale, baseline: number): string {
  const pitch = x(1) - x(0);
  const labelled = Math.ceil(leastLabel / pitch);
  const width = Math.min(90, pitch * labelled - 6);
  return categories
    .map((label, i) =>
      i % labelled > 0 ? '' : text(x(i), baseline, fitName(label, width, 11), { size: 11, anchor: 'middle' }),
    )
    .join('');
}

/** Smallest and largest value; a single value gets room on both sides. */
function extent(values: readonly number[]): [number, number] {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === high) return [low - Math.abs(low) * 0.1 - 0.5, high + Math.abs(high) * 0.1 + 0.5];
  return [low, high];
}
