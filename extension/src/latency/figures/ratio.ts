import { formatPercent } from '@fovea/kernel/presentation';
import type { LatencyView } from '../../documents/types';
import { withOrigin } from '../../format';
import { type Figure, type FigureSpace, layout, ORIGIN_LOOK, plain, seriesColor } from './figure';

type RatioView = Extract<LatencyView, { kind: 'ratio' }>;

/** Latency relative to dense against activation rate in percent; below the line at 1, adaptive execution pays. */
export function ratioFigure(view: RatioView, space: FigureSpace): Figure {
  const { theme } = space;
  // Predicted and measured of the same stage and granularity share a colour, so that they can be compared.
  const keys = [...new Set(view.series.map((each) => `${each.device} ${each.stage} ${each.granularity}`))];
  const colorOf = (each: RatioView['series'][number]) =>
    seriesColor(theme, keys.indexOf(`${each.device} ${each.stage} ${each.granularity}`));
  const lines = view.series.map((each) => {
    const look = ORIGIN_LOOK[each.origin];
    const color = colorOf(each);
    return {
      type: 'scatter',
      mode: 'lines+markers',
      name: withOrigin(plain(each.label), each.origin),
      x: each.points.map((point) => 100 * point.rate),
      customdata: each.points.map((point) => formatPercent(point.rate)),
      y: each.points.map((point) => point.ratio),
      line: { color, dash: look.dash, width: 2.5 },
      marker: { color, symbol: look.symbol, size: 7, line: { color, width: 1.5 } },
      hovertemplate: `${plain(each.label)}<br>%{customdata} active: <b>%{y:.3~g} of dense</b><extra>${each.origin}<br>${plain(each.device)}</extra>`,
    };
  });
  const marked = view.series.flatMap(({ breakEven, ...each }) =>
    breakEven === undefined ? [] : [{ ...each, breakEven }],
  );
  const marks = marked.map((each) => ({
    type: 'scatter',
    mode: 'markers',
    showlegend: false,
    x: [100 * each.breakEven],
    customdata: [formatPercent(each.breakEven)],
    y: [1],
    marker: { symbol: 'x', size: 11, color: colorOf(each), line: { color: theme.paper, width: 1.5 } },
    hovertemplate: `${plain(each.label)}<br>pays up to <b>%{customdata} active</b><extra>break-even, ${each.origin}</extra>`,
  }));
  const key = {
    type: 'scatter',
    mode: 'markers',
    name: 'break-even',
    x: [null],
    y: [null],
    marker: { symbol: 'x', size: 10, color: theme.quiet },
  };
  const drops = marked.map((each) => ({
    type: 'line',
    x0: 100 * each.breakEven,
    x1: 100 * each.breakEven,
    y0: 0,
    y1: 1,
    line: { color: colorOf(each), width: 1, dash: 'dot' },
    opacity: 0.6,
  }));
  const highest = Math.max(1.1, ...view.series.flatMap((each) => each.points.map((point) => point.ratio)));
  return {
    data: [...lines, ...marks, ...(marks.length > 0 ? [key] : [])],
    layout: layout(space, {
      height: space.width < 480 ? 360 : 420,
      shapes: [
        { type: 'line', xref: 'paper', x0: 0, x1: 1, y0: 1, y1: 1, line: { color: theme.quiet, width: 1.5 } },
        ...drops,
      ],
      annotations: [
        {
          xref: 'paper',
          x: 0,
          y: 1,
          xanchor: 'left',
          yanchor: 'bottom',
          text: 'dense',
          showarrow: false,
          font: { size: 11, color: theme.quiet },
        },
      ],
      x: {
        title: 'Activation rate',
        range: [0, 102],
        ticksuffix: ' %',
        dtick: space.width < 480 ? 50 : 25,
      },
      y: { title: 'Time relative to dense', range: [0, highest * 1.06], tickformat: '.2~f' },
    }),
  };
}
