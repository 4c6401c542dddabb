import { counted, distinctNames, formatPercent, labelPlaces } from '../../presentation/index.js';
import type { LatencyView } from '../mime.js';
import {
  axisRoom,
  card,
  dashFor,
  dot,
  horizontalAxis,
  type LegendEntry,
  type PlotArea,
  padding,
  pageWidth,
  verticalAxis,
} from './frame.js';
import { linearScale, type Scale } from './scale.js';
import { colours, seriesColour } from './style.js';
import { type Drawing, element, round } from './svg.js';
import { fitNames, text, textWidth } from './text.js';

type RatioView = Extract<LatencyView, { kind: 'ratio' }>;
type ParetoView = Extract<LatencyView, { kind: 'pareto' }>;

const plotHeight = 280;

/** Latency relative to dense against activation rate; a series below 1 pays. */
export function drawRatio(title: string, series: RatioView['series']): Drawing {
  const legend = series.map((one, index): LegendEntry => {
    const pays = one.breakEven === undefined ? '' : `, pays up to ${formatPercent(one.breakEven)}`;
    return { label: `${one.label}${pays}`, colour: seriesColour(index), origin: one.origin, mark: 'line' };
  });
  return card({ title, legend, height: plotHeight + 40 }, (top) => {
    const height = { top: top + 22, bottom: top + plotHeight };
    const highest = Math.max(1, ...series.flatMap((one) => one.points.map((point) => point.ratio)));
    const y = linearScale([0, highest * 1.02], [height.bottom, height.top]);
    const area = { ...height, left: padding + axisRoom(y, 36), right: pageWidth - padding - 8 };
    const x = linearScale([0, 1], [area.left, area.right]);
    const even = element('line', {
      x1: area.left,
      x2: area.right,
      y1: y(1),
      y2: y(1),
      stroke: colours.accent,
      'stroke-width': 1.5,
      'stroke-dasharray': '5 3',
    });
    const lines = series.map((one, index) => {
      const colour = seriesColour(index);
      const points = [...one.points].sort((a, b) => a.rate - b.rate);
      const path = points
        .map((p, i) => `${i === 0 ? 'M' : 'L'}${round(x(p.rate))} ${round(y(p.ratio))}`)
        .join('');
      const line = element('path', {
        d: path,
        fill: 'none',
        stroke: colour,
        'stroke-width': 2,
        'stroke-dasharray': dashFor(one.origin),
      });
      const marks = points.map((p) => dot(x(p.rate), y(p.ratio), colour, one.origin));
      const breakEven =
        one.breakEven === undefined
          ? ''
          : element('path', {
              d: `M${round(x(one.breakEven))} ${round(y(1) - 9)}l-5 -8h10z`,
              fill: colour,
            });
      return line + marks.join('') + breakEven;
    });
    return [
      horizontalAxis(area, x, 'activation rate', (tick) => formatPercent(tick)),
      verticalAxis(area, y, 'latency relative to dense'),
      even,
      ...lines,
      text(area.left + 5, y(1) - 5, 'dense', { size: 11, fill: colours.accent, halo: true }),
    ].join('');
  });
}

/** Quality against latency; the points that no other one beats in both are joined. */
export function drawPareto(
  title: string,
  { points, yLabel }: Pick<ParetoView, 'points' | 'yLabel'>,
): Drawing {
  const legend: LegendEntry[] = [...new Set(points.map((point) => point.origin))].map((origin) => ({
    label: origin,
    colour: colours.compute,
    origin,
    mark: 'dot',
  }));
  legend.push({ label: 'front', colour: colours.accent, origin: 'measured', mark: 'line' });
  return card({ title, legend, height: plotHeight + 40 }, (top) => {
    const height = { top: top + 22, bottom: top + plotHeight };
    const scores = points.map((point) => point.score);
    const low = Math.min(...scores, ...points.map((point) => point.scoreRange?.[0] ?? point.score));
    const high = Math.max(...scores, ...points.map((point) => point.scoreRange?.[1] ?? point.score));
    const margin = (high - low || Math.abs(high) || 1) * 0.08;
    const most = Math.max(0, ...points.map((point) => point.msRange?.[1] ?? point.ms));
    const y = linearScale([low - margin, high + margin], [height.bottom, height.top]);
    const area = { ...height, left: padding + axisRoom(y, 46), right: pageWidth - padding - 20 };
    const x = linearScale([0, most], [area.left, area.right]);
    const front = points.filter((point) => point.onFront).sort((a, b) => a.ms - b.ms);
    const line = element('path', {
      d: front.map((p, i) => `${i === 0 ? 'M' : 'L'}${round(x(p.ms))} ${round(y(p.score))}`).join(''),
      fill: 'none',
      stroke: colours.accent,
      'stroke-width': 2,
    });
    const marks = points.map((point) => {
      const { ms, score, msRange = [ms, ms], scoreRange = [score, score] } = point;
      const whiskers = element('path', {
        d: `M${round(x(msRange[0]))} ${round(y(score))}H${round(x(msRange[1]))}M${round(x(ms))} ${round(y(scoreRange[0]))}V${round(y(scoreRange[1]))}`,
        stroke: colours.faint,
        'stroke-width': 1,
      });
      return (
        (point.msRange || point.scoreRange ? whiskers : '') +
        dot(x(point.ms), y(point.score), point.onFront ? colours.accent : colours.compute, point.origin)
      );
    });
    return [
      horizontalAxis(area, x, 'milliseconds'),
      verticalAxis(area, y, yLabel),
      line,
      ...marks,
      pointNames([...front, ...points.filter((point) => !point.onFront)], x, y, area),
    ].join('');
  });
}

const nameSize = 10.5;
const nameGap = 6;
const nameSides = [
  'top right',
  'top left',
  'bottom right',
  'bottom left',
  'top center',
  'bottom center',
] as const;

/**
 * Names beside points, as far as there is room; of the others, which the table of the data has, the number. What all
 * names have in common is left out where that makes room.
 */
function pointNames(points: ParetoView['points'], x: Scale, y: Scale, area: PlotArea): string {
  const room = { ...area, right: pageWidth - padding };
  const attempt = (labels: readonly string[]) => {
    const named = fitNames(labels, 190, nameSize).map((name, index) => {
      const point = { x: x(points[index]!.ms), y: y(points[index]!.score) };
      return { ...point, name, width: textWidth(name, nameSize), height: nameSize };
    });
    const places = labelPlaces(named, named, room, nameSides, nameGap);
    return { named, places, unnamed: places.filter((side) => side === undefined).length };
  };
  const labels = points.map((point) => point.label);
  const whole = attempt(labels);
  const { named, places, unnamed } = whole.unnamed === 0 ? whole : attempt(distinctNames(labels));
  const names = named.map((point, index) => {
    const side = places[index];
    if (side === undefined) return '';
    const across = side.endsWith('right') ? nameGap : side.endsWith('left') ? -nameGap : 0;
    // Letters reach as far below their line as a fifth of their size.
    const down = side.startsWith('top') ? -nameGap - nameSize * 0.2 : nameGap + nameSize * 0.8;
    return text(point.x + across, point.y + down, point.name, {
      size: nameSize,
      anchor: across > 0 ? 'start' : across < 0 ? 'end' : 'middle',
      fill: colours.faint,
      halo: true,
    });
  });
  const note = unnamed === 0 ? '' : `${counted(unnamed, 'point')} without room for a name`;
  return names.join('') + text(padding, area.bottom + 31, note, { size: 11, fill: colours.faint });
}
