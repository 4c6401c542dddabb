import { element, svg, uniqueId } from '../dom';
import type { Figure } from './figures';

/** How one entry of a legend looks. */
export interface LegendEntry {
  readonly label: string;
  readonly color: string;
  /** Bars: the hatching, '' for none. */
  readonly hatch?: string;
  /** Lines: the dash. */
  readonly dash?: string;
  /** Markers: the plotly symbol. */
  readonly symbol?: string;
}

interface Trace {
  readonly type: string;
  readonly name?: string;
  readonly mode?: string;
  readonly showlegend?: boolean;
  readonly line?: { readonly color: string; readonly dash?: string };
  readonly marker?: {
    readonly color: string;
    readonly symbol?: string;
    readonly pattern?: { readonly shape: string };
  };
}

/** The legend of a figure, read off its traces; a picture that is saved shows the same in plotly's own. */
export function legendEntries(figure: Figure): LegendEntry[] {
  return (figure.data as readonly unknown[] as readonly Trace[])
    .filter((trace) => trace.name !== undefined && trace.showlegend !== false)
    .map((trace) => {
      const label = unescaped(trace.name!);
      if (trace.type === 'bar') {
        return { label, color: trace.marker!.color, hatch: trace.marker!.pattern?.shape ?? '' };
      }
      const lines = trace.mode?.includes('lines');
      return {
        label,
        color: (lines ? trace.line : trace.marker)!.color,
        ...(lines && { dash: trace.line!.dash ?? 'solid' }),
        ...(trace.mode?.includes('markers') && { symbol: trace.marker!.symbol ?? 'circle' }),
      };
    });
}

const unescaped = (text: string) => text.replace(/&lt;/g, '<').replace(/&gt;/g, '>').replace(/&amp;/g, '&');

const DASHES: Readonly<Record<string, string>> = { dash: '5 3', dot: '1.5 3' };

function hatched(color: string, hatch: string): Node[] {
  const id = uniqueId('hatch');
  const path = hatch === 'x' ? 'M0 0L5 5M5 0L0 5' : 'M-1 6L6 -1M4 6L6 4M-1 1L1 -1';
  return [
    svg(
      'pattern',
      { id, width: 5, height: 5, patternUnits: 'userSpaceOnUse' },
      svg('path', { d: path, stroke: color, 'stroke-width': 1.5 }),
    ),
    svg('rect', { x: 6, y: 1, width: 12, height: 12, fill: `url(#${id})`, stroke: color }),
  ];
}

function symbolShape(symbol: string, color: string): SVGElement {
  const open = symbol.endsWith('-open');
  const paint = { fill: open ? 'var(--jp-layout-color0, #fff)' : color, stroke: color, 'stroke-width': 1.5 };
  if (symbol.startsWith('diamond')) return svg('path', { d: 'M12 2.5L16.5 7L12 11.5L7.5 7Z', ...paint });
  if (symbol === 'x')
    return svg('path', { d: 'M8.5 3.5L15.5 10.5M15.5 3.5L8.5 10.5', stroke: color, 'stroke-width': 3 });
  return svg('circle', { cx: 12, cy: 7, r: 3.5, ...paint });
}

function swatch(entry: LegendEntry): SVGElement {
  const { color, hatch, dash, symbol } = entry;
  const shapes: Node[] = [];
  if (hatch === '') shapes.push(svg('rect', { x: 6, y: 1, width: 12, height: 12, fill: color }));
  else if (hatch) shapes.push(...hatched(color, hatch));
  if (dash) {
    shapes.push(
      svg('line', {
        x1: 0,
        y1: 7,
        x2: 24,
        y2: 7,
        stroke: color,
        'stroke-width': 2,
        'stroke-dasharray': DASHES[dash],
      }),
    );
  }
  if (symbol) shapes.push(symbolShape(symbol, color));
  const narrow = hatch !== undefined || dash === undefined;
  return svg(
    'svg',
    {
      width: narrow ? 14 : 24,
      height: 14,
      viewBox: narrow ? '5 0 14 14' : '0 0 24 14',
      'aria-hidden': 'true',
    },
    ...shapes,
  );
}

/** The legend as list items. */
export function legendItems(figure: Figure): HTMLElement[] {
  return legendEntries(figure).map((entry) => element('li', {}, swatch(entry), entry.label));
}
