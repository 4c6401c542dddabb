import { viewTitle } from '../../presentation/index.js';
import type { LatencyDocument, LatencyView } from '../mime.js';
import { drawBars, drawBreakdown, drawCompare } from './bars.js';
import { drawPareto, drawRatio } from './curves.js';
import { type Drawing, stack } from './svg.js';

/** One view of a latency document. */
function drawLatencyView(view: LatencyView): Drawing {
  const title = viewTitle(view);
  switch (view.kind) {
    case 'compare':
      return drawCompare(title, view.profiles);
    case 'breakdown':
      return drawBreakdown(title, view.profile);
    case 'ratio':
      return drawRatio(title, view.series);
    case 'fusion':
    case 'strategies':
      return drawBars(title, view.bars, view.baselineMs);
    case 'pareto':
      return drawPareto(title, view);
  }
}

/** All views of a latency document, one below the other. */
export function drawLatency(document: LatencyDocument): Drawing {
  return stack(document.views.map(drawLatencyView));
}
