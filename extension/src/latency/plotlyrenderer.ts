import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { PLOTLY_MIME } from '../documents/types';
import { list, object } from '../documents/validate';
import { message } from '../message';
import type { Figure, FigureSpace } from './figures';
import { Plot } from './plot';

/** A figure of another library, with the page's colours where it names none of its own. */
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

/** Draws `application/vnd.plotly.v1+json`: `{data, layout}`. It only reads the model. */
export class PlotlyRenderer extends Widget implements IRenderMime.IRenderer {
  private plot: Plot | undefined;

  constructor() {
    super();
    this.addClass('fovea-renderer');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    try {
      const fields = object(model.data[PLOTLY_MIME], '');
      const data = list(fields.data, 'data', object) as Figure['data'];
      const layout = (fields.layout === undefined ? {} : object(fields.layout, 'layout')) as Figure['layout'];
      if (!this.plot) {
        this.plot = new Plot({ onError: (error) => this.fail(error) });
        this.node.replaceChildren(this.plot.node);
      }
      const title = layout.title as string | { text?: string } | undefined;
      const name = (typeof title === 'object' ? title?.text : title) ?? 'Plotly figure';
      await this.plot.show((space) => themed({ data, layout }, space), String(name));
    } catch (error) {
      this.fail(error as Error);
    }
  }

  override dispose(): void {
    this.plot?.dispose();
    super.dispose();
  }

  private fail(error: Error): void {
    this.plot?.dispose();
    this.plot = undefined;
    this.node.replaceChildren(message('This plotly figure cannot be shown.', error.message));
  }
}
