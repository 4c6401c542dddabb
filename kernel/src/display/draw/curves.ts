import { formatPercent } from '../../presentation/index.js';
import type { LatencyView } from '../mime.js';
import {
  card,
  dashFor,
  dot,
  horizontalAxis,
  type LegendEntry,
  padding,
  pageWidth,
  verticalAxis,
} from './frame.js';
import { linearScale } from './scale.js';
import { colours, seriesColour } from './style.js';
import { type Drawing, element, round } from './svg.js';
import { fitText, text, textWidth } from './text.js';

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
    const area = {
      left: padding + 36,
      right: pageWidth - padding - 8,
      top: top + 22,
      bottom: top + plotHeight,
    };
    const highest = Math.max(1, ...series.flatMap((one) => one.points.map((point) => point.ratio)));
    const x = linearScale([0, 1], [area.left, area.right]);
    const y = linearScale([0, highest * 1.02], [area.bottom, area.top]);
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
      text(area.left + 5, y(1) - 5, 'dense', { size: 11, fill: colours.accent }),
      ...lines,
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
    const area = {
      left: padding + 46,
      right: pageWidth - padding - 20,
      top: top + 22,
      bottom: top + plotHeight,
    };
    const scores = points.map((point) => point.score);
    const low = Math.min(...scores, ...points.map((point) => point.scoreRange?.[0] ?? point.score));
    const high = Math.max(...scores, ...points.map((point) => point.scoreRange?.[1] ?? point.score));
    const margin = (high - low || Math.abs(high) || 1) * 0.08;
    const most = Math.max(0, ...points.map((point) => point.msRange?.[1] ?? point.ms));
    const x = linearScale([0, most], [area.left, area.right]);
    const y = linearScale([low - margin, high + margin], [area.bottom, area.top]);
    const front = points.filter((point) => point.onFront).sort((a, b) => a.ms - b.ms);
    const line = element('path', {
      d: front.map((p, i) => `${i === 0 ? 'M' : 'L'}${round(x(p.ms))} ${round(y(p.score))}`).join(''),
      fill: 'none',
      stroke: colours.accent,
      'stroke-width': 2,
    });
    const marks = points.map((point) => {
      const label = fitText(point.label, 150, 10.5);
      const fits = x(point.ms) + 9 + textWidth(label, 10.5) <= area.right + 14;
      const { ms, score, msRange = [ms, ms], scoreRange = [score, score] } = point;
      const whiskers = element('path', {
        d: `M${round(x(msRange[0]))} ${round(y(score))}H${round(x(msRange[1]))}M${round(x(ms))} ${round(y(scoreRange[0]))}V${round(y(scoreRange[1]))}`,
        stroke: colours.faint,
        'stroke-width': 1,
      });
      return (
        (point.msRange || point.scoreRange ? whiskers : '') +
        dot(x(point.ms), y(point.score), point.onFront ? colours.accent : colours.compute, point.origin) +
        text(x(point.ms) + (fits ? 7 : -7), y(point.score) - 7, label, {
          size: 10.5,
          anchor: fits ? 'start' : 'end',
          fill: colours.faint,
        })
      );
    });
    return [horizontalAxis(area, x, 'milliseconds'), verticalAxis(area, y, yLabel), line, ...marks].join('');
  });
}
