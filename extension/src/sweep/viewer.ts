import { formatPercent } from '@fovea/kernel/presentation';
import { button } from '../controls';
import type { SweepDocument, SweepOrder } from '../documents/types';
import { element } from '../dom';
import { keepFocus } from '../focus';
import { columnFigure } from '../format';
import { nameLandmark, releaseLandmark } from '../landmark';
import { LatencyViewer } from '../latency/viewer';
import { message } from '../message';
import { sweepOrders } from './orders';

/** States in which a sweep goes on, and takes orders from its display. */
const OPEN: ReadonlySet<SweepDocument['state']> = new Set(['running', 'paused']);

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
  private readonly stale = element('p', { class: 'fovea-subtitle', hidden: true });
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
  private document: SweepDocument | undefined;
  /** Whether a kernel takes orders for what is shown; undefined until that is known. */
  private isReached: boolean | undefined;
  /** Counts the questions whether one does: of two answers the later question's is right. */
  private asked = 0;
  /** Why the last order was not executed. */
  private refusal: string | undefined;

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
      this.stale,
      this.trouble,
      this.running,
      this.plotPlace,
      this.table,
    );
    sweepOrders.changed.connect(this.look, this);
  }

  dispose(): void {
    this.asked += 1;
    sweepOrders.changed.disconnect(this.look, this);
    releaseLandmark(this.node);
    this.plot?.dispose();
  }

  /** Shows how a sweep stands; resolves when its figure is drawn. */
  async show(document: SweepDocument): Promise<void> {
    const { id, name, points, completed, failed } = document;
    const isOther = id !== this.document?.id;
    this.document = document;
    nameLandmark(this.node, `Sweep ${name}`);
    this.title.textContent = name;
    this.bar.max = Math.max(1, points);
    this.bar.value = completed + failed;
    this.refusal = undefined;
    if (isOther) {
      this.isReached = undefined;
      this.look();
    }
    this.showState();
    this.table.replaceChildren(...(document.table.rows.length > 0 ? [tableElement(document)] : []));
    if (!document.latency) return;
    if (!this.plot) {
      this.plot = new LatencyViewer(true);
      this.plotPlace.append(this.plot.node);
    }
    await this.plot.show(document.latency);
  }

  attached(): void {
    this.look();
  }

  /**
   * Asks whether a kernel runs the sweep. What is stored in a file or in a notebook whose kernel was started again says
   * that it runs, and nobody does.
   */
  private look(): void {
    const orders = sweepOrders.get();
    const { document } = this;
    this.asked += 1;
    // Before it is on the page nothing says which notebook it is in.
    if (!orders || !document || !OPEN.has(document.state) || !this.node.isConnected) return;
    const question = this.asked;
    void orders.reaches(this.node, document.id).then((isReached) => {
      if (question !== this.asked) return;
      this.isReached = isReached;
      this.showState();
    });
  }

  /** Shows what changes from moment to moment; of a sweep that nobody runs here, how it stood. */
  private showState(): void {
    const document = this.document!;
    const isStale = this.isReached === false && OPEN.has(document.state);
    this.state.textContent = stateLine(document, isStale);
    this.stale.hidden = !isStale;
    this.stale.textContent = isStale ? staleLine(document) : '';
    const { running, notices, skipped = [] } = document;
    const shown = isStale ? [] : running;
    this.running.replaceChildren(
      ...shown.map(({ label, worker, fraction }) => {
        const on = worker === '' ? '' : ` on ${worker}`;
        return element('li', {}, `${label}${on}${fraction > 0 ? `, ${formatPercent(fraction)}` : ''}`);
      }),
    );
    this.trouble.replaceChildren(
      ...(isStale ? [] : notices).map((notice) => message('Points wait.', notice)),
      ...skipped.map((each) => message('Left out.', each)),
      ...(this.refusal === undefined ? [] : [message('This was not done.', this.refusal)]),
    );
    this.offer(this.isReached && OPEN.has(document.state) ? document.state : '');
  }

  /** The buttons that mean something now. */
  private offer(offered: SweepDocument['state'] | ''): void {
    if (offered === this.offered) return;
    this.offered = offered;
    keepFocus(
      this.buttons,
      () => this.buttons.replaceChildren(...(offered === '' ? [] : this.buttonsFor(offered))),
      // Without buttons the display as a whole has it.
      () => this.buttons.querySelector('button') ?? this.node.parentElement,
    );
  }

  private buttonsFor(state: SweepDocument['state']): HTMLElement[] {
    const order = (action: SweepOrder['action']) => () => void this.order(action);
    return [
      state === 'paused'
        ? button('Resume', order('resume'), 'Start points again')
        : button('Pause', order('pause'), 'Start no more points; running ones finish'),
      button('Cancel', order('cancel'), 'Remove waiting points and stop running ones; results are kept'),
    ];
  }

  private async order(action: SweepOrder['action']): Promise<void> {
    this.refusal = await sweepOrders.get()?.send(this.node, { id: this.document!.id, action });
    if (this.refusal === undefined) return;
    this.showState();
    this.look();
  }
}

function stateLine(document: SweepDocument, isStale: boolean): string {
  const { state, points, completed, failed, elapsedMs, leftMs } = document;
  const says = STATES[state];
  const parts = [isStale ? `Was ${says.toLowerCase()}` : says, `${completed} of ${points} points completed`];
  if (failed > 0) parts.push(`${failed} failed`);
  parts.push(duration(elapsedMs));
  if (leftMs !== undefined && state === 'running' && !isStale) parts.push(`about ${duration(leftMs)} left`);
  return parts.join(' · ');
}

/** Why there is nothing to press, and what can be done instead. */
function staleLine({ name }: SweepDocument): string {
  return `As it stood when it was shown last: no kernel that is open here runs it. fovea.sweep('${name}') in a cell continues it.`;
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
