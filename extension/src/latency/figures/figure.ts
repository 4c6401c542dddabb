import { distinctNames } from '@fovea/kernel/presentation';
import type { Origin } from '../../documents/types';

/** A plotly figure: traces and layout, both plain data. */
export interface Figure {
  readonly data: readonly Readonly<Record<string, unknown>>[];
  readonly layout: Readonly<Record<string, unknown>>;
}

/** Colours and type of the page that a figure stands on. */
export interface FigureTheme {
  readonly dark: boolean;
  readonly ink: string;
  readonly quiet: string;
  readonly line: string;
  readonly paper: string;
  readonly font: string;
}

/** The place a figure is drawn into. */
export interface FigureSpace {
  readonly width: number;
  readonly theme: FigureTheme;
}

// Okabe and Ito's palette, distinguishable with every kind of colour vision; lighter where the page is dark.
const LIGHT = ['#0072b2', '#d55e00', '#009e73', '#cc79a7', '#e69f00', '#56b4e9', '#7a7a7a'];
const DARK = ['#56b4e9', '#ff8a3d', '#2fc99a', '#e29bc4', '#f0b429', '#8fd0f5', '#a8a8a8'];

/** The colour of the `index`-th series; after seven they repeat. */
export function seriesColor(theme: FigureTheme, index: number): string {
  const colors = theme.dark ? DARK : LIGHT;
  return colors[index % colors.length]!;
}

/** Parts of a time, from the bottom of a stack to its top. */
export const PARTS = [
  { key: 'computeMs', label: 'Compute', color: 0 },
  { key: 'dataMs', label: 'Data movement', color: 4 },
  { key: 'overheadMs', label: 'Overhead', color: 3 },
] as const;

/** How an origin looks: hatching on bars, dash and marker on lines. Colour never carries it alone. */
export const ORIGIN_LOOK: Readonly<
  Record<Origin, { readonly hatch: string; readonly dash: string; readonly symbol: string }>
> = {
  predicted: { hatch: '/', dash: 'dash', symbol: 'circle-open' },
  measured: { hatch: '', dash: 'solid', symbol: 'circle' },
  published: { hatch: 'x', dash: 'dot', symbol: 'diamond-open' },
};

/** Bars of one colour in the look of their origins. */
export function barMarker(
  color: string,
  origin: Origin | readonly Origin[],
): Readonly<Record<string, unknown>> {
  const shape =
    typeof origin === 'string' ? ORIGIN_LOOK[origin].hatch : origin.map((each) => ORIGIN_LOOK[each].hatch);
  return {
    color,
    line: { color, width: 1 },
    pattern: { shape, size: 6, solidity: 0.35, fillmode: 'replace' },
  };
}

/** The axis of times: it names the origin where all marks have the same. */
export function timeTitle(origins: readonly Origin[]): string {
  return new Set(origins).size === 1 ? `Milliseconds, ${origins[0]}` : 'Milliseconds';
}

/**
 * Traces without data that explain the origins in the legend, where there are several. Their swatches are of the
 * ink's own colour, which no series has.
 */
export function originLegend(theme: FigureTheme, origins: Iterable<Origin>): Figure['data'] {
  const several = [...new Set(origins)];
  if (several.length < 2) return [];
  return several.map((origin) => ({
    type: 'bar',
    x: [null],
    y: [null],
    name: origin,
    legendgroup: `origin-${origin}`,
    marker: barMarker(theme.ink, origin),
    hoverinfo: 'skip',
  }));
}

/** Plotly reads a little HTML in texts; those of a document are shown as they are. */
export function plain(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

/**
 * A text in at most so many letters, its middle left out where it has more: names of designs and files differ at their
 * ends.
 */
export function shortened(text: string, most: number): string {
  const letters = [...text];
  if (letters.length <= most) return text;
  const first = Math.ceil((most - 1) / 2);
  return `${letters.slice(0, first).join('')}…${letters.slice(first + 1 - most).join('')}`;
}

/** Names of several things in at most so many letters each: first without what all of them have in common. */
export function shortenedNames(names: readonly string[], most: number): string[] {
  const isLong = names.some((name) => [...name].length > most);
  return (isLong ? distinctNames(names) : names).map((name) => shortened(name, most));
}

export interface Axis {
  readonly title?: string;
  readonly [option: string]: unknown;
}

/** The layout that all figures share: no frame, faint grid, legend above, generous type. */
export function layout(
  { width, theme }: FigureSpace,
  options: {
    readonly height: number;
    readonly x: Axis;
    readonly y: Axis;
    readonly [option: string]: unknown;
  },
): Figure['layout'] {
  const { height, x, y, ...rest } = options;
  const narrow = width < 480;
  const axis = ({ title, ...more }: Axis) => ({
    title: { text: title ?? '', font: { size: 12, color: theme.quiet }, standoff: 10 },
    automargin: true,
    // With prefixes a tenth of a millisecond was 100μ on an axis of milliseconds.
    exponentformat: 'none',
    gridcolor: theme.line,
    linecolor: theme.line,
    zeroline: false,
    tickfont: { size: narrow ? 10 : 11, color: theme.quiet },
    fixedrange: narrow,
    ...more,
  });
  return {
    width,
    height,
    autosize: false,
    paper_bgcolor: 'rgba(0,0,0,0)',
    plot_bgcolor: 'rgba(0,0,0,0)',
    font: { family: theme.font, size: 12, color: theme.ink },
    margin: { l: narrow ? 40 : 56, r: narrow ? 8 : 20, t: 12, b: 40 },
    hoverlabel: {
      bgcolor: theme.paper,
      bordercolor: theme.line,
      font: { family: theme.font, size: 12, color: theme.ink },
      align: 'left',
    },
    legend: {
      orientation: 'h',
      x: 0,
      xanchor: 'left',
      y: 1.02,
      yanchor: 'bottom',
      font: { size: narrow ? 11 : 12, color: theme.ink },
      itemclick: false,
      itemdoubleclick: false,
      bgcolor: 'rgba(0,0,0,0)',
    },
    showlegend: false,
    xaxis: axis(x),
    yaxis: axis(y),
    ...rest,
  };
}
