import { ORIGINS } from '../../documents/latency';
import type { LatencyView } from '../../documents/types';
import { type Figure, type FigureSpace, layout, ORIGIN_LOOK, plain, seriesColor, shortened } from './figure';

type ParetoView = Extract<LatencyView, { kind: 'pareto' }>;

/** Quality against latency: the points that no other beats are joined and named. */
export function paretoFigure(view: ParetoView, space: FigureSpace): Figure {
  const { theme } = space;
  const front = view.points.filter((point) => point.onFront).sort((a, b) => a.ms - b.ms);
  const mostMs = Math.max(...view.points.map(({ ms, msRange }) => msRange?.[1] ?? ms));
  const line = {
    type: 'scatter',
    mode: 'lines',
    name: 'front',
    x: front.map((point) => point.ms),
    y: front.map((point) => point.score),
    line: { shape: 'hv', color: seriesColor(theme, 0), width: 2 },
    hoverinfo: 'skip',
    zorder: 1,
  };
  const height = space.width < 480 ? 340 : 420;
  const titleLetters = Math.floor((height - BESIDE_PX) / TITLE_LETTER_PX);
  const isCrowded = view.points.length > CROWD;
  // As much as there is on one side of every point, with what an axis has beyond its last.
  const mostLetters = Math.max(12, Math.floor((0.44 * (space.width - BESIDE_PX)) / LETTER_PX));
  const points = ORIGINS.flatMap((origin) =>
    [true, false].map((onFront) => {
      const chosen = view.points.filter((point) => point.origin === origin && point.onFront === onFront);
      const color = onFront ? seriesColor(theme, 0) : theme.quiet;
      return {
        type: 'scatter',
        mode: onFront && space.width >= 480 ? 'markers+text' : 'markers',
        name: onFront ? origin : `${origin}, behind the front`,
        x: chosen.map((point) => point.ms),
        y: chosen.map((point) => point.score),
        ...whiskers('error_x', chosen, (point) => [point.ms, point.msRange], theme.quiet),
        ...whiskers('error_y', chosen, (point) => [point.score, point.scoreRange], theme.quiet),
        customdata: chosen.map((point) => plain(point.label)),
        text: chosen.map(({ label }) => plain(shortened(label, mostLetters))),
        textposition: chosen.map(
          ({ ms, label }) => `top ${sideOf(shortened(label, mostLetters), ms / mostMs, space.width)}`,
        ),
        textfont: { size: 11, color: theme.ink },
        cliponaxis: false,
        // The front stays in sight, however many points lie behind it.
        zorder: onFront ? 2 : 0,
        marker: {
          symbol: ORIGIN_LOOK[origin].symbol,
          size: onFront ? 11 : isCrowded ? 4 : 8,
          color,
          line: { color, width: onFront || !isCrowded ? 1.5 : 0 },
          opacity: onFront ? 1 : isCrowded ? 0.4 : 0.7,
        },
        hovertemplate: `%{customdata}<br><b>%{x:.3~g} ms</b>, ${plain(view.yLabel)} <b>%{y:.4~g}</b><extra>${origin}</extra>`,
      };
    }),
  ).filter((trace) => trace.x.length > 0);
  return {
    data: [line, ...points],
    layout: layout(space, {
      height,
      x: { title: 'Milliseconds', rangemode: 'tozero' },
      y: {
        title: plain(shortened(view.yLabel.charAt(0).toUpperCase() + view.yLabel.slice(1), titleLetters)),
      },
    }),
  };
}

/** From so many points on those behind the front are small and faint: they cover each other, and the grid. */
const CROWD = 500;
/** Width of a letter of a point's name, on average. */
const LETTER_PX = 6;
/** The same of an axis's title. */
const TITLE_LETTER_PX = 7;
/** What the figure has beside its plot. */
const BESIDE_PX = 80;

/**
 * The side of a point on which its name stands: on the left it is clear of the front, unless it would be cut off
 * there and has more room on the right.
 * @param across where the point is, from 0 at the left end of the plot to 1
 */
function sideOf(label: string, across: number, width: number): 'left' | 'right' {
  const roomPx = across * (width - BESIDE_PX);
  return roomPx >= label.length * LETTER_PX || across > 0.5 ? 'left' : 'right';
}

type Point = ParetoView['points'][number];

/** Lines from the least to the most of what points are medians of; nothing where none has a range. */
function whiskers(
  name: 'error_x' | 'error_y',
  points: readonly Point[],
  read: (point: Point) => readonly [value: number, range: readonly [number, number] | undefined],
  color: string,
): Readonly<Record<string, unknown>> {
  const found = points.map(read);
  if (found.every(([, range]) => range === undefined)) return {};
  return {
    [name]: {
      ...{ type: 'data', symmetric: false, color, thickness: 1, width: 3 },
      array: found.map(([value, range]) => (range ? range[1] - value : 0)),
      arrayminus: found.map(([value, range]) => (range ? value - range[0] : 0)),
    },
  };
}
