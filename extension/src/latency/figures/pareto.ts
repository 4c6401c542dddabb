import { type Box, type LabelSide, labelPlaces } from '@fovea/kernel/presentation';
import { ORIGINS } from '../../documents/latency';
import type { LatencyView } from '../../documents/types';
import {
  type Figure,
  type FigureSpace,
  layout,
  ORIGIN_LOOK,
  plain,
  seriesColor,
  shortened,
  shortenedNames,
} from './figure';

type ParetoView = Extract<LatencyView, { kind: 'pareto' }>;

/** Quality against latency: the points that no other beats are joined, and named where there is room. */
export function paretoFigure(view: ParetoView, space: FigureSpace): Figure {
  const { theme } = space;
  const front = view.points.filter((point) => point.onFront).sort((a, b) => a.ms - b.ms);
  const range = rangeOf(view.points);
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
  const names = namesOf(view.points, range, space.width, height);
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
        text: chosen.map((point) => plain(names.get(point)?.text ?? '')),
        textposition: chosen.map((point) => names.get(point)?.side ?? 'top left'),
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
      x: { title: 'Milliseconds', range: range.ms },
      y: {
        range: range.score,
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

/** What it has above and below it. */
const ABOVE_PX = 12;
const BELOW_PX = 48;
/** Height of a name, and from a point's centre to it. */
const NAME_PX = 13;
const GAP_PX = 8;

/** Sides of a point on which its name may stand: on the upper left it is clear of the front. */
const SIDES = ['top left', 'top right', 'bottom right', 'bottom left'] as const;

type Point = ParetoView['points'][number];

interface Range {
  readonly ms: readonly [number, number];
  readonly score: readonly [number, number];
}

/** What the axes show: all points and their whiskers, times from 0 on. */
function rangeOf(points: readonly Point[]): Range {
  const scores = points.flatMap(({ score, scoreRange }) => [score, ...(scoreRange ?? [])]);
  const low = scores.reduce((least, score) => Math.min(least, score), Number.POSITIVE_INFINITY);
  const high = scores.reduce((most, score) => Math.max(most, score), Number.NEGATIVE_INFINITY);
  const longest = points.reduce((most, { ms, msRange }) => Math.max(most, msRange?.[1] ?? ms), 0) || 1;
  if (!(high >= low)) return { ms: [0, longest], score: [0, 1] };
  const beyond = 0.08 * (high - low || Math.abs(high) || 1);
  return { ms: [0, 1.06 * longest], score: [low - beyond, high + beyond] };
}

/** Names of the points on the front for which there is room, the fastest first, and the sides on which they stand. */
function namesOf(
  points: readonly Point[],
  range: Range,
  width: number,
  height: number,
): Map<Point, { readonly text: string; readonly side: LabelSide }> {
  const room = { left: 0, right: width - BESIDE_PX, top: -ABOVE_PX, bottom: height - ABOVE_PX - BELOW_PX };
  const across = (ms: number) => (ms / range.ms[1]) * room.right;
  const down = (score: number) =>
    ((range.score[1] - score) / (range.score[1] - range.score[0])) * room.bottom;
  const front = points.filter((point) => point.onFront).sort((a, b) => a.ms - b.ms);
  // As much as there is on one side of every point, with what an axis has beyond its last.
  const mostLetters = Math.max(12, Math.floor((0.44 * room.right) / LETTER_PX));
  const texts = shortenedNames(
    front.map(({ label }) => label),
    mostLetters,
  );
  const centres = front.map(({ ms, score }) => ({ x: across(ms), y: down(score) }));
  const named = centres.map((centre, i) => ({
    ...centre,
    width: LETTER_PX * [...texts[i]!].length,
    height: NAME_PX,
  }));
  // A crowd behind the front is faint, and has names drawn over it.
  const behind = points.length > CROWD ? [] : points.filter((point) => !point.onFront);
  const marks = [...centres, ...behind.map(({ ms, score }) => ({ x: across(ms), y: down(score) }))];
  const sides = labelPlaces(named, marks, room, SIDES, GAP_PX, frontLines(centres));
  return new Map(
    front.flatMap((point, i) => {
      const side = sides[i];
      return side === undefined ? [] : [[point, { text: texts[i]!, side }] as const];
    }),
  );
}

/** The steps that join points: from each across, then up or down to the next. */
function frontLines(centres: readonly { readonly x: number; readonly y: number }[]): Box[] {
  return centres.slice(1).flatMap(({ x, y }, i) => {
    const from = centres[i]!;
    return [
      { left: from.x, right: x, top: from.y, bottom: from.y },
      { left: x, right: x, top: Math.min(from.y, y), bottom: Math.max(from.y, y) },
    ];
  });
}

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
