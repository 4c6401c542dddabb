import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { button } from '../controls';
import { list, object } from '../documents/check-fields';
import { PLOTLY_MIME } from '../documents/types';
import { download, element, fileName } from '../dom';
import { message } from '../message';
import { DocumentRenderer, type Shown } from '../renderer';
import type { Figure, FigureSpace } from './figures';
import { CLEAR, Plot } from './plot';

/** What a figure's author keeps for templates, in any form. */
const FREE = new Set(['meta', 'customdata']);

/** With titles as objects: until plotly.js 3 they could be mere text, which is not drawn any more. */
function withTitles<T>(part: T): T {
  if (typeof part !== 'object' || part === null || Object.getPrototypeOf(part) !== Object.prototype)
    return part;
  const entries = Object.entries(part).map(([key, value]) => {
    if (FREE.has(key)) return [key, value];
    return [key, key === 'title' && typeof value === 'string' ? { text: value } : withTitles(value)];
  });
  return Object.fromEntries(entries) as T;
}

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
      paper_bgcolor: CLEAR,
      plot_bgcolor: CLEAR,
      height: 420,
      ...layout,
      ...axes,
      font: { family: theme.font, color: theme.ink, ...(layout.font as object) },
      width: typeof layout.width === 'number' ? layout.width : width,
    },
  };
}

/** A figure of another library, with a button that saves it. */
class PlotlyFigure implements Shown {
  readonly node: HTMLElement;
  private readonly plot: Plot;
  private readonly trouble = element('div');
  private name = '';

  constructor(onError: (error: Error) => void) {
    this.plot = new Plot({ onError });
    const save = button('PNG', () => void this.save(), 'Save the figure as a picture');
    this.node = element(
      'section',
      { class: 'fovea-viewer fovea-plotly' },
      this.plot.node,
      this.trouble,
      element('footer', { class: 'fovea-foot' }, element('div', { class: 'fovea-exports' }, save)),
    );
  }

  dispose(): void {
    this.plot.dispose();
  }

  async show(figure: Figure, name: string): Promise<void> {
    this.name = name;
    this.trouble.replaceChildren();
    await this.plot.show((space) => themed(figure, space), name);
  }

  private async save(): Promise<void> {
    try {
      download(`${fileName(this.name)}.png`, await this.plot.png());
    } catch (error) {
      this.trouble.replaceChildren(message('The picture could not be saved.', (error as Error).message));
    }
  }
}

/** Draws `application/vnd.plotly.v1+json`: `{data, layout}`. */
export class PlotlyRenderer extends DocumentRenderer<PlotlyFigure> {
  constructor() {
    super('Plotly figure', 'This plotly figure cannot be shown.');
  }

  protected async draw(bundle: IRenderMime.IMimeModel['data']): Promise<void> {
    const fields = object(bundle[PLOTLY_MIME], '');
    const data = list(fields.data, 'data', object).map(withTitles) as Figure['data'];
    const given = fields.layout === undefined ? {} : object(fields.layout, 'layout');
    const layout = withTitles(given) as Figure['layout'];
    const name = (layout.title as { text?: string } | undefined)?.text ?? 'Plotly figure';
    const shown = this.place(() => new PlotlyFigure((error) => this.fail(error)));
    await shown.show({ data, layout }, String(name));
  }
}
