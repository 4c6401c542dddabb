import type { LatencyView } from '../../documents/types';
import { barsFigure } from './bars';
import { breakdownFigure, type Grain } from './breakdown';
import { compareFigure } from './compare';
import type { Figure, FigureSpace } from './figure';
import { paretoFigure } from './pareto';
import { ratioFigure } from './ratio';

export type { Figure, FigureSpace, FigureTheme } from './figure';

/** The plotly figure of a view. `grain` applies to the kind `breakdown` alone. */
export function buildFigure(view: LatencyView, space: FigureSpace, grain: Grain = 'op'): Figure {
  switch (view.kind) {
    case 'compare':
      return compareFigure(view, space);
    case 'breakdown':
      return breakdownFigure(view, space, grain);
    case 'ratio':
      return ratioFigure(view, space);
    case 'fusion':
    case 'strategies':
      return barsFigure(view, space);
    case 'pareto':
      return paretoFigure(view, space);
  }
}
