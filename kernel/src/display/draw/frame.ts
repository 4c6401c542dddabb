import type { Origin } from '../mime.js';
import type { Scale } from './scale.js';
import { colours, fillFor } from './style.js';
import { type Drawing, element } from './svg.js';
import { fitName, fitText, text, textWidth } from './text.js';

/** Width of every latency drawing: that of a notebook's output area on a small laptop. */
export const pageWidth = 760;

export interface LegendEntry {
  readonly label: string;
  readonly colour: string;
  readonly origin: Origin;
  readonly mark?: 'box' | 'line' | 'dot';
}

/** Pixels between the drawing's border and its content. */
export const padding = 14;

/** A card: background, border, title and legend; `body` is drawn below them at the returned offset. */
export function card(
  {
    title,
    legend,
    height,
    width = pageWidth,
  }: {
    title: string;
    legend?: readonly LegendEntry[];
    height: number;
    width?: number;
  },
  body: (top: number) => string,
): Drawing {
  const pieces: string[] = [];
  let top = padding;
  if (title !== '') {
    pieces.push(
      text(padding, top + 13, fitText(title, width - 2 * padding, 14, true), { size: 14, bold: true }),
    );
    top += 26;
  }
  if (legend !== undefined && legend.length > 0) {
    const drawn = drawLegend(legend, padding, top, width - 2 * padding);
    pieces.push(drawn.content);
    top += drawn.height + 6;
  }
  const total = top + height + padding;
  const background = element('rect', {
    x: 0.5,
    y: 0.5,
    width: width - 1,
    height: total - 1,
    rx: 6,
    fill: colours.background,
    stroke: colours.border,
  });
  return { width, height: total, content: background + pieces.join('') + body(top) };
}

function drawLegend(
  entries: readonly LegendEntry[],
  left: number,
  top: number,
  width: number,
): { content: string; height: number } {
  const pieces: string[] = [];
  let x = left;
  let y = top;
  for (const { label, colour, origin, mark = 'box' } of entries) {
    const shown = fitText(label, width - 24, 11);
    const needed = 20 + textWidth(shown, 11) + 16;
    if (x > left && x + needed - 16 > left + width) {
      x = left;
      y += 18;
    }
    pieces.push(
      mark === 'box'
        ? element('rect', {
            x,
            y: y + 1,
            width: 13,
            height: 11,
            rx: 2,
            fill: fillFor(origin, colour),
            stroke: colour,
          })
        : mark === 'dot'
          ? dot(x + 6.5, y + 6.5, colour, origin)
          : element('line', {
              x1: x,
              y1: y + 6.5,
              x2: x + 14,
              y2: y + 6.5,
              stroke: colour,
              'stroke-width': 2.5,
              'stroke-dasharray': dashFor(origin),
            }),
      text(x + 19, y + 10.5, shown, { size: 11, fill: colours.faint }),
    );
    x += needed;
  }
  return { content: pieces.join(''), height: y - top + 14 };
}

/** Dashes of lines show their origin, as hatching does on bars. */
export function dashFor(origin: Origin): string | undefined {
  return { measured: undefined, predicted: '6 3', published: '1.5 3' }[origin];
}

/** A point: filled when measured, a ring when predicted, a small ring when published. */
export function dot(cx: number, cy: number, colour: string, origin: Origin): string {
  return element('circle', {
    cx,
    cy,
    r: origin === 'published' ? 3 : 4.5,
    fill: origin === 'measured' ? colour : colours.background,
    stroke: colour,
    'stroke-width': 2,
  });
}

export interface PlotArea {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** Pixels that a vertical axis needs on its left for its labels, and at least `least`. */
export function axisRoom(scale: Scale, least: number): number {
  return Math.max(least, ...scale.ticks.map((tick) => 8 + textWidth(scale.format(tick), 11)));
}

/** Horizontal grid lines with labels on the left, and the axis name above them. */
export function verticalAxis(area: PlotArea, scale: Scale, name: string): string {
  return [
    ...scale.ticks.flatMap((tick) => [
      element('line', {
        x1: area.left,
        x2: area.right,
        y1: scale(tick),
        y2: scale(tick),
        stroke: tick === 0 ? colours.axis : colours.grid,
      }),
      text(area.left - 6, scale(tick) + 4, scale.format(tick), {
        size: 11,
        anchor: 'end',
        fill: colours.faint,
      }),
    ]),
    text(padding, area.top - 9, fitName(name, area.right - padding, 11), { size: 11, fill: colours.faint }),
  ].join('');
}

/** Vertical grid lines with labels below, and the axis name under them. */
export function horizontalAxis(
  area: PlotArea,
  scale: Scale,
  name: string,
  label: (tick: number) => string = scale.format,
): string {
  return [
    ...scale.ticks.flatMap((tick) => [
      element('line', {
        x1: scale(tick),
        x2: scale(tick),
        y1: area.top,
        y2: area.bottom,
        stroke: tick === 0 ? colours.axis : colours.grid,
      }),
      text(scale(tick), area.bottom + 15, label(tick), {
        size: 11,
        anchor: 'middle',
        fill: colours.faint,
      }),
    ]),
    text((area.left + area.right) / 2, area.bottom + 31, fitName(name, area.right - area.left, 11), {
      size: 11,
      anchor: 'middle',
      fill: colours.faint,
    }),
  ].join('');
}
