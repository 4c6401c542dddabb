import { ORIGINS } from '../../documents/latency';
import type { LatencyView } from '../../documents/types';
import { type Figure, type FigureSpace, layout, ORIGIN_LOOK, plain, seriesColor } from './figure';

type ParetoView = Extract<LatencyView, { kind: 'pareto' }>;

/** Quality against latency: the points that no other beats are joined and named. */
export function paretoFigure(view: ParetoView, space: FigureSpace): Figure {
  const { theme } = space;
  const front = view.points.filter((point) => point.onFront).sort((a, b) => a.ms - b.ms);
  const line = {
    type: 'scatter',
    mode: 'lines',
    name: 'front',
    x: front.map((point) => point.ms),
    y: front.map((point) => point.score),
    line: { shape: 'hv', color: seriesColor(theme, 0), width: 2 },
    hoverinfo: 'skip',
  };
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
        text: chosen.map((point) => plain(point.label)),
        textposition: 'top left',
        textfont: { size: 11, color: theme.ink },
        cliponaxis: false,
        marker: {
          symbol: ORIGIN_LOOK[origin].symbol,
          size: onFront ? 11 : 8,
          color,
          line: { color, width: 1.5 },
          opacity: onFront ? 1 : 0.7,
        },
        hovertemplate: `%{text}<br><b>%{x:.3~g} ms</b>, ${plain(view.yLabel)} <b>%{y:.4~g}</b><extra>${origin}</extra>`,
      };
    }),
  ).filter((trace) => trace.x.length > 0);
  return {
    data: [line, ...points],
    layout: layout(space, {
      height: space.width < 480 ? 340 : 420,
      x: { title: 'Milliseconds', rangemode: 'tozero' },
      y: { title: view.yLabel },
    }),
  };
}
