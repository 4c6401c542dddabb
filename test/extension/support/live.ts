import type { Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { Title, Widget } from '@lumino/widgets';
import '../../../extension/style/index.css';
import { LivePanel } from '../../../extension/src/live/panel';
import { preferences } from '../../../extension/src/preferences';
import { FakeGpu } from './fakegpu';
import { type FakeAnswers, FakeKernel } from './fakekernel';

/** A notebook with the parts that the panel uses. */
class FakeNotebook {
  readonly disposed = new Signal<this, void>(this);
  isDisposed = false;
  readonly title: Title<unknown>;
  readonly sessionContext = {
    kernelChanged: new Signal<object, unknown>(this),
    statusChanged: new Signal<object, Kernel.Status>(this),
    isReady: true,
    hasNoKernel: false,
    kernelDisplayName: 'Fovea (TypeScript)',
    session: null as { kernel: FakeKernel } | null,
  };

  constructor(label: string, kernel: FakeKernel | null) {
    this.title = new Title({ owner: this, label });
    this.sessionContext.session = kernel && { kernel };
  }

  /** Another kernel; none as after a shutdown. */
  setKernel(kernel: FakeKernel | null): void {
    this.sessionContext.isReady = kernel !== null;
    this.sessionContext.hasNoKernel = kernel === null;
    this.sessionContext.session = kernel && { kernel };
    this.sessionContext.kernelChanged.emit(undefined);
  }
}

// The signal's sender is what `onKernel` compares, as with a real session context.
function notebook(label: string, kernel: FakeKernel | null): FakeNotebook {
  const made = new FakeNotebook(label, kernel);
  Object.assign(made.sessionContext, { kernelChanged: new Signal(made.sessionContext) });
  return made;
}

class FakeTracker {
  readonly currentChanged = new Signal<this, unknown>(this);
  currentWidget: FakeNotebook | null = null;

  bring(next: FakeNotebook | null): void {
    this.currentWidget = next;
    this.currentChanged.emit(next);
  }
}

const tracker = new FakeTracker();
const inserted: string[] = [];
const notices: string[] = [];

const live = {
  tracker,
  inserted,
  notices,
  notebook,
  preferences,
  gpu: new FakeGpu(),
  /** The connection that may open comms where a kernel's own may not. */
  lender: undefined as FakeKernel | undefined,
  kernel: (id: string, answers: FakeAnswers) => new FakeKernel(id, answers),
  panel: undefined as LivePanel | undefined,
  open(width: number): void {
    live.panel?.dispose();
    const host = document.querySelector<HTMLElement>('#host')!;
    host.style.width = `${width}px`;
    live.panel = new LivePanel({
      tracker: tracker as never,
      commConnection: (kernel) => (kernel.handleComms ? kernel : live.lender) as never,
      changeKernel: () => notices.push('change kernel'),
      leave: ({ title }) => notices.push(`to ${title.label}`),
      insertBelow: (_notebook, source) => inserted.push(source),
      notify: (message) => notices.push(message),
      gpu: live.gpu,
    });
    Widget.attach(live.panel, host);
  },
};

declare global {
  interface Window {
    live: typeof live;
  }
}
window.live = live;
