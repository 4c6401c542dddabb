import type { LatencyView } from '../../documents/types';
import { milliseconds, withOrigin } from '../../format';
import {
  barMarker,
  type Figure,
  type FigureSpace,
  layout,
  originLegend,
  PARTS,
  plain,
  seriesColor,
  shortenedNames,
  timeTitle,
} from './figure';

/** What a total has beyond its parts, and a whole time whose parts are not known. */
const NOT_SPLIT = { label: 'Not split', color: 2 } as const;

/** Width of a letter of a bar's name, on average. */
const LETTER_PX = 7;

type BarsView = Extract<LatencyView, { kind: 'fusion' | 'strategies' }>;

/** Whole times as lying bars, split into their parts where these are known, with the dense time as a line. */
export function barsFigure(view: BarsView, space: FigureSpace): Figure {
  const { theme } = space;
  const { bars, baselineMs } = view;
  // Positions, not labels, place the bars: two bars may bear the same label.
  const positions = bars.map((_, index) => index);
  const origins = bars.map((bar) => bar.origin);
  const split = bars.some((bar) => bar.computeMs !== undefined);
  const hover = (what: string) => `%{customdata}<br>${what} <b>%{x:.3~g} ms</b><extra></extra>`;
  const names = bars.map((bar) => withOrigin(plain(bar.label), bar.origin));
  const common = { type: 'bar', orientation: 'h', y: positions, customdata: names, showlegend: false };
  const parts = split
    ? PARTS.map(({ key, label, color }) => ({
        ...common,
        x: bars.map((bar) => bar[key] ?? 0),
        marker: barMarker(seriesColor(theme, color), origins),
        hovertemplate: hover(label),
      }))
    : [];
  // What the parts leave over, and bars without parts, are drawn as one piece.
  const left = bars.map((bar) =>
    Math.max(0, bar.totalMs - PARTS.reduce((sum, { key }) => sum + (bar[key] ?? 0), 0)),
  );
  const isLeft = left.some((ms, index) => ms > 0.01 * bars[index]!.totalMs);
  const rest = {
    ...common,
    x: left,
    marker: barMarker(seriesColor(theme, split ? NOT_SPLIT.color : 0), origins),
    hovertemplate: hover(split ? NOT_SPLIT.label : 'In all'),
  };
  const legend = split
    ? [...PARTS, ...(isLeft ? [NOT_SPLIT] : [])].map(({ label, color }) => ({
        type: 'bar',
        x: [null],
        y: [null],
        name: label,
        marker: barMarker(seriesColor(theme, color), 'measured'),
      }))
    : [];
  const longest = Math.max(baselineMs ?? 0, ...bars.map((bar) => bar.totalMs), 1e-6);
  const narrow = space.width < 480;
  // Names get two fifths of the width.
  const mostLetters = Math.max(12, Math.floor((0.4 * space.width) / LETTER_PX));
  return {
    data: [...parts, rest, ...legend, ...originLegend(theme, origins)],
    layout: layout(space, {
      height: 90 + bars.length * (narrow ? 40 : 44),
      margin: { l: 40, r: narrow ? 8 : 20, t: baselineMs === undefined ? 12 : 26, b: 40 },
      barmode: 'stack',
      bargap: 0.4,
      shapes:
        baselineMs === undefined
          ? []
          : [
              {
                type: 'line',
                layer: 'below',
                x0: baselineMs,
                x1: baselineMs,
                yref: 'paper',
                y0: 0,
                y1: 1,
                line: { color: theme.ink, width: 1.5, dash: 'dot' },
              },
            ],
      annotations: [
        ...bars.map((bar, index) => ({
          x: bar.totalMs,
          y: index,
          text: `<b>${milliseconds(bar.totalMs)}</b>`,
          xanchor: 'left',
          xshift: 4,
          showarrow: false,
          bgcolor: theme.paper,
          borderpad: 1,
          font: { size: narrow ? 11 : 12, color: theme.ink },
        })),
        ...(baselineMs === undefined
          ? []
          : [
              {
                x: baselineMs,
                yref: 'paper',
                y: 1,
                yanchor: 'bottom',
                text: `dense ${milliseconds(baselineMs)}`,
                showarrow: false,
                bgcolor: theme.paper,
                font: { size: 11, color: theme.quiet },
              },
            ]),
      ],
      x: { title: timeTitle(origins), range: [0, longest * (narrow ? 1.35 : 1.15)] },
      y: {
        tickmode: 'array',
        tickvals: positions,
        ticktext: shortenedNames(
          bars.map((bar) => bar.label),
          mostLetters,
        ).map(plain),
        range: [bars.length - 0.4, -0.6],
        showgrid: false,
        tickfont: { size: narrow ? 11 : 12, color: theme.ink },
      },
    }),
  };
}
