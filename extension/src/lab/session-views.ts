import type { ISessionContext } from '@jupyterlab/apputils';
import type { IConsoleTracker } from '@jupyterlab/console';
import type { INotebookTracker } from '@jupyterlab/notebook';

/** A notebook or a code console: what runs cells in a kernel and shows their outputs. */
export interface SessionView {
  readonly node: HTMLElement;
  readonly sessionContext: ISessionContext;
}

/** Every notebook and code console of the page. */
export class SessionViews {
  private readonly trackers: readonly (INotebookTracker | IConsoleTracker)[];

  /** @param consoles left out where the application has none */
  constructor(notebooks: INotebookTracker, consoles: IConsoleTracker | null) {
    this.trackers = [notebooks, ...(consoles ? [consoles] : [])];
  }

  /** Those that are open now. */
  all(): SessionView[] {
    const views: SessionView[] = [];
    for (const tracker of this.trackers) {
      tracker.forEach((view) => {
        views.push(view);
      });
    }
    return views;
  }

  /** Calls back with each that is open, and with each that is opened later. */
  watch(callback: (view: SessionView) => void): void {
    this.all().forEach(callback);
    for (const tracker of this.trackers) {
      tracker.widgetAdded.connect((_: unknown, view: SessionView) => callback(view));
    }
  }
}
