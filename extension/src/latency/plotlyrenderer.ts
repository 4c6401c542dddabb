import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { list, object } from '../documents/check-fields';
import { PLOTLY_MIME } from '../documents/types';
import { DocumentRenderer } from '../renderer';
import type { Figure, FigureSpace } from './figures';
import { Plot } from './plot';

/** A figure of another library, with the page's colours where it sets none. */
function themed({ data, layout }: Figure, { width, theme }: FigureSpace): Figure {
  const axes = Object.fromEntries(
    ['xaxis', 'yaxis', ...Object.keys(layout).filter((key) => /^[xy]axis\d+$/.test(key))].map((key) => [
      key,
      { gridcolor: theme.line, zerolinecolor: theme.line, linecolor: theme.line, ...(layout[key] as object) },
    ]),
  );
  return {
    data,
    layout: {
      paper_bgcolor: 'rgba(0,0,0,0)',
      plot_bgcolor: 'rgba(0,0,0,0)',
      height: 420,
      ...layout,
      ...axes,
      font: { family: theme.font, color: theme.ink, ...(layout.font as object) },
      width: typeof layout.width === 'number' ? layout.width : width,
    },
  };
}

/** Draws `application/vnd.plotly.v1+json`: `{data, layout}`. */
export class PlotlyRenderer extends DocumentRenderer<Plot> {
  constructor() {
    super('Plotly figure', 'This plotly figure cannot be shown.');
  }

  protected async draw(bundle: IRenderMime.IMimeModel['data']): Promise<void> {
    const fields = object(bundle[PLOTLY_MIME], '');
    const data = list(fields.data, 'data', object) as Figure['data'];
    const layout = (fields.layout === undefined ? {} : object(fields.layout, 'layout')) as Figure['layout'];
    const title = layout.title as string | { text?: string } | undefined;
    const name = (typeof title === 'object' ? title?.text : title) ?? 'Plotly figure';
    const plot = this.place(() => new Plot({ onError: (error) => this.fail(error) }));
    await plot.show((space) => themed({ data, layout }, space), String(name));
  }
}
