import { viewTitle } from '@fovea/kernel/presentation';
import { button, choice } from '../controls';
import type { LatencyDocument, LatencyView } from '../documents/types';
import { download, element, fileName, uniqueId } from '../dom';
import { keepFocus } from '../focus';
import { columnFigure } from '../format';
import { nameLandmark, releaseLandmark } from '../landmark';
import { message } from '../message';
import { buildFigure } from './figures';
import type { Grain } from './figures/breakdown';
import { plain } from './figures/figure';
import { legendItems } from './legend';
import { Plot } from './plot';
import { TAB_LABELS, viewSentence } from './summary';
import { toCsv, type Value, viewTable } from './table';

const shown = (value: Value, column: string) =>
  typeof value === 'number' ? columnFigure(value, column) : (value ?? '');

function tableElement(view: LatencyView): HTMLElement {
  const { columns, rows } = viewTable(view);
  return element(
    'table',
    { class: 'fovea-table' },
    element('caption', { class: 'fovea-hidden' }, viewTitle(view)),
    element('thead', {}, element('tr', {}, ...columns.map((name) => element('th', { scope: 'col' }, name)))),
    element(
      'tbody',
      {},
      ...rows.map((row) =>
        element(
          'tr',
          {},
          ...row.map((value, index) => {
            const text = shown(value, columns[index]!);
            return index === 0
              ? element('th', { scope: 'row' }, text)
              : element('td', { class: typeof value === 'number' ? 'fovea-mod-number' : undefined }, text);
          }),
        ),
      ),
    ),
  );
}

/** Everything that is shown of one latency document: tabs, figure, caption, table, and export. */
export class LatencyViewer {
  readonly node: HTMLElement;
  private readonly titles = element('div', { class: 'fovea-titles' });
  private readonly tabs = element('div', { class: 'fovea-tabs' });
  private readonly caption = element('p', { class: 'fovea-subtitle' });
  private readonly legend = element('ul', { class: 'fovea-legend', 'aria-label': 'Legend' });
  private readonly trouble = element('div', {});
  private readonly plot: Plot;
  private readonly tablePlace = element('div', { class: 'fovea-table-place', tabindex: 0 });
  private readonly details: HTMLDetailsElement;
  private readonly live = element('div', { class: 'fovea-hidden', 'aria-live': 'polite' });
  private readonly panel: HTMLElement;
  private readonly grainChoice: HTMLElement;
  private document: LatencyDocument | undefined;
  private index = 0;
  private grain: Grain = 'op';

  /** @param isPart whether it is shown in another display, which is the landmark */
  constructor(private readonly isPart = false) {
    this.plot = new Plot({
      onDraw: (figure) => this.legend.replaceChildren(...legendItems(figure)),
      onError: (error) => this.fail(error),
    });
    this.details = element(
      'details',
      { class: 'fovea-details' },
      element('summary', {}, 'Data as a table'),
      this.tablePlace,
    );
    this.details.addEventListener('toggle', () => this.fillTable());
    const grain = choice<Grain>({
      label: 'Stack per',
      value: this.grain,
      options: [
        { value: 'op', label: 'By op' },
        { value: 'block', label: 'By block' },
      ],
      onChange: (value) => {
        this.grain = value;
        void this.showView();
      },
    });
    this.grainChoice = element('div', { class: 'fovea-toolbar' }, grain.node);
    this.panel = element('div', { id: uniqueId('panel') }, this.trouble, this.legend, this.plot.node);
    this.node = element(
      isPart ? 'div' : 'section',
      { class: 'fovea-viewer fovea-latency', role: isPart ? 'group' : undefined },
      element('header', { class: 'fovea-head' }, this.titles, this.tabs),
      this.caption,
      this.grainChoice,
      this.panel,
      element(
        'footer',
        { class: 'fovea-foot' },
        this.details,
        element(
          'div',
          { class: 'fovea-toolbar-group fovea-exports' },
          button('CSV', () => this.saveCsv(), 'Save the data as CSV'),
          button('PNG', () => void this.savePng(), 'Save the figure as a picture'),
        ),
      ),
      this.live,
    );
  }

  dispose(): void {
    releaseLandmark(this.node);
    this.plot.dispose();
  }

  /** Shows a document; resolves when its figure is drawn. */
  async show(document: LatencyDocument): Promise<void> {
    this.document = document;
    this.index = Math.min(this.index, document.views.length - 1);
    const hasTabs = document.views.length > 1;
    if (hasTabs) this.panel.setAttribute('role', 'tabpanel');
    else this.panel.removeAttribute('role');
    keepFocus(
      this.tabs,
      () => this.tabs.replaceChildren(...(hasTabs ? [this.tabsOf(document)] : [])),
      () => this.tabs.querySelector<HTMLElement>('[tabindex="0"]') ?? this.details.querySelector('summary'),
    );
    await this.showView();
  }

  private tabsOf({ views }: LatencyDocument): HTMLElement {
    const labels = views.map((view) => TAB_LABELS[view.kind]);
    return choice({
      label: 'View',
      role: 'tabs',
      controls: this.panel.id,
      value: String(this.index),
      options: views.map((view, index) => ({
        value: String(index),
        // Two views of one kind are distinguished by their titles.
        label:
          labels.indexOf(labels[index]!) === labels.lastIndexOf(labels[index]!)
            ? labels[index]!
            : viewTitle(view),
        hint: viewTitle(view),
      })),
      onChange: (value) => {
        this.index = Number(value);
        void this.showView();
        this.live.textContent = viewSentence(this.view);
      },
    }).node;
  }

  private get view(): LatencyView {
    return this.document!.views[this.index]!;
  }

  private async showView(): Promise<void> {
    const { view } = this;
    const title = this.document!.title;
    const sentence = viewSentence(view);
    const name = title ?? viewTitle(view);
    if (this.isPart) this.node.setAttribute('aria-label', name);
    else nameLandmark(this.node, name);
    this.titles.replaceChildren(
      ...(title ? [element('div', { class: 'fovea-eyebrow' }, title)] : []),
      element('h2', { class: 'fovea-title' }, viewTitle(view)),
    );
    this.caption.textContent = sentence;
    this.grainChoice.hidden = view.kind !== 'breakdown' || view.profile.blocks.length === 0;
    this.trouble.replaceChildren();
    this.fillTable();
    await this.plot.show(
      (space) => buildFigure(view, space, this.grain),
      `${viewTitle(view)}. ${sentence}. The data follow as a table.`,
    );
  }

  private fail(error: Error): void {
    this.trouble.replaceChildren(
      message('The figure cannot be drawn; the table below holds its data.', error.message),
    );
    this.details.open = true;
    this.fillTable();
  }

  /** A long table is built only when it is opened. */
  private fillTable(): void {
    this.tablePlace.replaceChildren(...(this.details.open && this.document ? [tableElement(this.view)] : []));
    this.tablePlace.setAttribute('aria-label', 'Table, scrolls');
  }

  private saveCsv(): void {
    const csv = toCsv(viewTable(this.view));
    download(`${this.fileStem()}.csv`, new Blob([csv], { type: 'text/csv' }));
    this.live.textContent = 'CSV saved.';
  }

  private async savePng(): Promise<void> {
    try {
      download(`${this.fileStem()}.png`, await this.plot.png(plain(viewTitle(this.view))));
      this.live.textContent = 'Picture saved.';
    } catch (error) {
      this.trouble.replaceChildren(message('The picture could not be saved.', (error as Error).message));
    }
  }

  private fileStem(): string {
    return fileName(this.document!.title, viewTitle(this.view));
  }
}
