import { formatPercent } from '@fovea/kernel/presentation';
import { button } from '../controls';
import type { SweepDocument, SweepOrder } from '../documents/types';
import { element } from '../dom';
import { columnFigure } from '../format';
import { nameLandmark, releaseLandmark } from '../landmark';
import { LatencyViewer } from '../latency/viewer';
import { message } from '../message';
import { sweepOrders } from './orders';

const STATES: Readonly<Record<SweepDocument['state'], string>> = {
  running: 'Running',
  paused: 'Paused',
  cancelled: 'Cancelled',
  completed: 'Completed',
  stopped: 'Stopped; run the cell again to continue',
};

/** Everything that is shown of a sweep: progress, buttons, quality against latency, and a table. */
export class SweepViewer {
  readonly node: HTMLElement;
  private readonly title = element('h2', { class: 'fovea-title' });
  private readonly state = element('p', { class: 'fovea-subtitle', 'aria-live': 'polite' });
  private readonly bar = element('progress', {
    class: 'fovea-progress',
    'aria-label': 'Points that have ended',
  });
  private readonly buttons = element('div', { class: 'fovea-toolbar-group' });
  private readonly trouble = element('div', {});
  private readonly running = element('ul', {
    class: 'fovea-sweep-running',
    'aria-label': 'Points under way',
  });
  private readonly plotPlace = element('div', {});
  private readonly table = element('div', {
    class: 'fovea-table-place',
    tabindex: 0,
    'aria-label': 'Points, scrolls',
  });
  private plot: LatencyViewer | undefined;
  /** What the buttons are for; they are only made again when that changes, so that one keeps the focus. */
  private offered = '';
  private id = '';

  constructor() {
    this.node = element(
      'section',
      { class: 'fovea-viewer fovea-sweep' },
      element(
        'header',
        { class: 'fovea-head' },
        element(
          'div',
          { class: 'fovea-titles' },
          element('div', { class: 'fovea-eyebrow' }, 'Sweep'),
          this.title,
        ),
        this.buttons,
      ),
      this.bar,
      this.state,
      this.trouble,
      this.running,
      this.plotPlace,
      this.table,
    );
  }

  dispose(): void {
    releaseLandmark(this.node);
    this.plot?.dispose();
  }

  /** Shows how a sweep stands; resolves when its figure is drawn. */
  async show(document: SweepDocument): Promise<void> {
    const { id, name, state, points, completed, failed } = document;
    this.id = id;
    nameLandmark(this.node, `Sweep ${name}`);
    this.title.textContent = name;
    this.bar.max = Math.max(1, points);
    this.bar.value = completed + failed;
    this.state.textContent = stateLine(document);
    this.trouble.replaceChildren(
      ...document.notices.map((notice) => message('Points wait.', notice)),
      ...(document.skipped ?? []).map((each) => message('Left out.', each)),
    );
    this.running.replaceChildren(
      ...document.running.map(({ label, worker, fraction }) => {
        const on = worker === '' ? '' : ` on ${worker}`;
        return element('li', {}, `${label}${on}${fraction > 0 ? `, ${formatPercent(fraction)}` : ''}`);
      }),
    );
    this.offer(state);
    this.table.replaceChildren(...(document.table.rows.length > 0 ? [tableElement(document)] : []));
    if (!document.latency) return;
    if (!this.plot) {
      this.plot = new LatencyViewer(true);
      this.plotPlace.append(this.plot.node);
    }
    await this.plot.show(document.latency);
  }

  /** The buttons that mean something now, where there is a kernel to obey them. */
  private offer(state: SweepDocument['state']): void {
    const offered = sweepOrders.get() && (state === 'running' || state === 'paused') ? state : '';
    if (offered === this.offered) return;
    this.offered = offered;
    if (offered === '') {
      this.buttons.replaceChildren();
      return;
    }
    const order = (action: SweepOrder['action']) => () => void this.order(action);
    this.buttons.replaceChildren(
      offered === 'paused'
        ? button('Resume', order('resume'), 'Start points again')
        : button('Pause', order('pause'), 'Start no more points; running ones finish'),
      button('Cancel', order('cancel'), 'Remove waiting points and stop running ones; results are kept'),
    );
  }

  private async order(action: SweepOrder['action']): Promise<void> {
    const refusal = await sweepOrders.get()?.(this.node, { id: this.id, action });
    if (refusal !== undefined) this.trouble.replaceChildren(message('This was not done.', refusal));
  }
}

function stateLine({ state, points, completed, failed, elapsedMs, leftMs }: SweepDocument): string {
  const parts = [`${STATES[state]}`, `${completed} of ${points} points completed`];
  if (failed > 0) parts.push(`${failed} failed`);
  parts.push(duration(elapsedMs));
  if (leftMs !== undefined && state === 'running') parts.push(`about ${duration(leftMs)} left`);
  return parts.join(' · ');
}

function duration(ms: number): string {
  if (ms < 60_000) return `${Math.max(1, Math.round(ms / 1000))} s`;
  const minutes = Math.floor(ms / 60_000);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function tableElement({ name, table }: SweepDocument): HTMLElement {
  const shown = (value: string | number, column: string) =>
    typeof value === 'number' ? columnFigure(value, column) : value;
  return element(
    'table',
    { class: 'fovea-table' },
    element('caption', { class: 'fovea-hidden' }, `Points of sweep ${name}`),
    element(
      'thead',
      {},
      element('tr', {}, ...table.columns.map((label) => element('th', { scope: 'col' }, label))),
    ),
    element(
      'tbody',
      {},
      // The latest first: what comes in is seen without scrolling.
      ...table.rows
        .toReversed()
        .map((row) =>
          element(
            'tr',
            {},
            ...row.map((value, index) =>
              element(
                'td',
                { class: typeof value === 'number' ? 'fovea-mod-number' : undefined },
                shown(value, table.columns[index]!),
              ),
            ),
          ),
        ),
    ),
  );
}
