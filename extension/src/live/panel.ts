import type { ISessionContext } from '@jupyterlab/apputils';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { Contents, Kernel } from '@jupyterlab/services';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import { button } from '../controls';
import { element } from '../dom';
import { canTakeFocus, controlLike, keepFocus } from '../focus';
import { takeDrops, uploadPicture } from './dropped-pictures';
import type { GpuEnvironment } from './gpu/runs';
import { type Change, LiveSession } from './session';
import { LiveView } from './view';
import { noticeFor } from './words';

export interface LivePanelOptions {
  readonly tracker: Pick<INotebookTracker, 'currentWidget' | 'currentChanged'>;
  /** The connection by which comms to a kernel are opened, which may be another notebook's. */
  commConnection(kernel: Kernel.IKernelConnection): Kernel.IKernelConnection | undefined;
  /** The files beside notebooks; without it the panel offers the pictures of its start, and takes no others. */
  readonly contents?: Pick<Contents.IManager, 'fileChanged' | 'get' | 'save' | 'delete'>;
  /** Lets the person choose another kernel for the notebook in front. */
  changeKernel(): void;
  /** Puts a code cell below the active one. */
  insertBelow(notebook: NotebookPanel, source: string): void;
  /** Gives the keyboard back to a notebook. */
  leave?(notebook: NotebookPanel): void;
  /** Reports a failure that has no place in the panel. */
  notify(message: string): void;
  /** What of the browser is used for its GPU; this one's when left out. */
  readonly gpu?: GpuEnvironment;
}

/** What is kept for a notebook that has been in front. */
interface Kept {
  /** The notebook's own connection to its kernel; the session may use another one. */
  readonly own: Kernel.IKernelConnection;
  readonly session: LiveSession;
  readonly view: LiveView | undefined;
}

const folderOf = (path: string) => path.slice(0, path.lastIndexOf('/') + 1);

/**
 * The panel "Fovea" in the right area: live controls for the notebook in front. Each notebook keeps its own
 * session, so that coming back to one finds it as it was.
 */
export class LivePanel extends Widget {
  /** Emitted when another session comes to the front, or its connection changes. */
  readonly changed = new Signal<this, void>(this);
  private readonly titleNode = element('div', { class: 'fovea-live-notebook' });
  private readonly notice = element('div', { class: 'fovea-live-notice', role: 'status' });
  private readonly content = element('div', {});
  private readonly kept = new Map<NotebookPanel, Kept>();
  private notebook: NotebookPanel | null = null;
  /** What had the focus before the controls came to rest, as while the kernel starts again. */
  private resting: HTMLElement | undefined;

  constructor(private readonly options: LivePanelOptions) {
    super();
    this.id = 'fovea-live-panel';
    this.addClass('fovea-live');
    this.node.tabIndex = -1;
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Fovea live controls');
    this.node.append(this.titleNode, this.notice, this.content);
    options.tracker.currentChanged.connect(this.follow, this);
    options.contents?.fileChanged.connect(this.onFile, this);
    this.node.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape' || event.defaultPrevented || !this.notebook) return;
      options.leave?.(this.notebook);
    });
    takeDrops(this.node, (files) => void this.takePictures(files));
    this.follow();
  }

  override dispose(): void {
    if (this.isDisposed) return;
    this.options.tracker.currentChanged.disconnect(this.follow, this);
    this.options.contents?.fileChanged.disconnect(this.onFile, this);
    for (const notebook of [...this.kept.keys()]) this.forget(notebook);
    super.dispose();
  }

  /** Takes the focus: who opened the panel by the keyboard uses it by the keyboard. */
  protected override onActivateRequest(): void {
    const controls = this.node.querySelectorAll<HTMLElement>('select, input, button');
    const first = [...controls].find((control) => control.matches(':enabled') && control.checkVisibility());
    (first ?? this.node).focus();
  }

  /** Whether settings can be inserted as a cell. */
  get canInsert(): boolean {
    return this.session?.connection === 'ready' && this.session.state !== undefined;
  }

  /** Writes the settings as TypeScript into a new cell below the active one. */
  async insertCell(): Promise<void> {
    const { notebook, session } = this;
    if (!notebook || !session) return;
    try {
      const source = await session.code();
      if (notebook.isDisposed) return;
      this.options.insertBelow(notebook, source);
    } catch (error) {
      this.options.notify(`No cell was inserted. ${(error as Error).message}`);
    }
  }

  /** Measures the network with the settings as they stand. */
  run(): void {
    this.session?.run();
  }

  private get session(): LiveSession | undefined {
    return this.notebook ? this.kept.get(this.notebook)?.session : undefined;
  }

  /** Turns to the notebook that came to the front. */
  private follow(): void {
    const next = this.options.tracker.currentWidget;
    if (next === this.notebook && next !== null) return;
    this.notebook?.sessionContext.statusChanged.disconnect(this.showNotice, this);
    this.notebook?.title.changed.disconnect(this.showTitle, this);
    this.notebook = next;
    if (next && !this.kept.has(next)) {
      next.disposed.connect(() => this.forget(next));
      next.sessionContext.kernelChanged.connect(this.onKernel, this);
      this.connect(next);
    }
    next?.sessionContext.statusChanged.connect(this.showNotice, this);
    next?.title.changed.connect(this.showTitle, this);
    this.refresh();
  }

  private onKernel(context: ISessionContext): void {
    for (const notebook of [...this.kept.keys(), ...(this.notebook ? [this.notebook] : [])]) {
      if (notebook.sessionContext !== context) continue;
      this.connect(notebook);
      if (notebook === this.notebook) this.refresh();
      return;
    }
  }

  /** Uploads pictures beside the notebook in front, and chooses the last of them. */
  private async takePictures(files: readonly File[]): Promise<void> {
    const { notebook, session } = this;
    const { contents, notify } = this.options;
    if (!contents || !notebook || !session) return;
    const folder = folderOf(notebook.context.path);
    for (const file of files) {
      try {
        const name = await uploadPicture(contents, folder, file);
        const taken = await session.want(name);
        // Only the kernel can tell what it cannot read; such a file is of no use beside the notebook.
        if (taken.outcome === 'refused') await contents.delete(folder + name);
        if ('reason' in taken) throw new Error(taken.reason);
      } catch (error) {
        notify(`The picture was not taken. ${(error as Error).message}`);
      }
    }
  }

  /** Offers new pictures beside a notebook, and no longer those that are gone. */
  private onFile(_: unknown, { oldValue, newValue }: Contents.IChangedArgs): void {
    const changed = [oldValue?.path, newValue?.path].filter((path) => path !== undefined);
    for (const [{ context }, { session }] of this.kept) {
      const isOwn = context.path === newValue?.path;
      if (!isOwn && changed.map(folderOf).includes(folderOf(context.path))) session.refresh();
    }
  }

  /** Begins a session with a notebook's kernel, in place of the one with the kernel before. */
  private connect(notebook: NotebookPanel): void {
    const before = this.kept.get(notebook);
    const kernel = notebook.sessionContext.session?.kernel;
    if (before && before.own === kernel && !before.session.kernel.isDisposed) return;
    before?.view?.dispose();
    before?.session.dispose();
    this.kept.delete(notebook);
    if (!kernel) return;
    const used = this.options.commConnection(kernel) ?? kernel;
    const session = new LiveSession(used, this.options.gpu);
    this.kept.set(notebook, { own: kernel, session, view: undefined });
    session.onChange = (change) => this.onChange(notebook, change);
    if (used !== kernel) used.disposed.connect(() => this.inherit(notebook, session));
  }

  /** Goes on when the notebook is closed whose connection was borrowed: now nobody else opens comms to the kernel. */
  private inherit(notebook: NotebookPanel, session: LiveSession): void {
    const kept = this.kept.get(notebook);
    if (kept?.session !== session || kept.own.isDisposed) return;
    if (!this.options.commConnection(kept.own)) kept.own.handleComms = true;
    this.connect(notebook);
    if (notebook === this.notebook) this.refresh();
  }

  private forget(notebook: NotebookPanel): void {
    const kept = this.kept.get(notebook);
    this.kept.delete(notebook);
    kept?.view?.dispose();
    kept?.session.dispose();
    if (!notebook.isDisposed) notebook.sessionContext.kernelChanged.disconnect(this.onKernel, this);
    if (notebook === this.notebook) {
      this.notebook = null;
      this.refresh();
    }
  }

  private onChange(notebook: NotebookPanel, change: Change): void {
    const kept = this.kept.get(notebook);
    if (!kept) return;
    if (!kept.view && kept.session.catalogue) {
      const view = new LiveView(kept.session, { insert: () => void this.insertCell() });
      this.kept.set(notebook, { ...kept, view });
    } else kept.view?.update(change);
    if (notebook === this.notebook && (change === 'connection' || change === 'catalogue')) this.refresh();
  }

  private refresh(): void {
    const { notebook } = this;
    const kept = notebook ? this.kept.get(notebook) : undefined;
    this.showTitle();
    const view = kept?.view?.node;
    const lost = keepFocus(
      this.content,
      () => {
        if (this.content.firstChild !== (view ?? null)) this.content.replaceChildren(...(view ? [view] : []));
        this.content.toggleAttribute('inert', kept?.session.connection !== 'ready');
      },
      () => this.node,
    );
    if (lost) this.resting = lost;
    this.showNotice();
    this.resume();
    this.changed.emit();
  }

  /** Gives the focus back to what had it before the controls came to rest, unless it has gone elsewhere since. */
  private resume(): void {
    const { resting } = this;
    if (!resting || this.content.inert) return;
    this.resting = undefined;
    if (document.activeElement !== this.node) return;
    const next = canTakeFocus(resting) ? resting : controlLike(resting, this.content);
    next?.focus({ preventScroll: true });
  }

  private showTitle(): void {
    this.titleNode.replaceChildren(
      element('div', { class: 'fovea-eyebrow' }, 'Live'),
      element('h2', { class: 'fovea-title' }, this.notebook?.title.label ?? 'Fovea'),
    );
  }

  private showNotice(): void {
    const { notebook, session } = this;
    const context = notebook?.sessionContext;
    // A notebook whose kernel was shut down is not ready either.
    const starting = context && !context.isReady && !context.hasNoKernel;
    const connection = session?.connection ?? (starting ? 'starting' : 'none');
    const notice =
      notebook && !session && connection === 'none'
        ? {
            title: 'This notebook has no kernel',
            detail: 'Choose the Fovea kernel for live controls.',
            action: 'change-kernel' as const,
          }
        : noticeFor(
            connection,
            notebook?.sessionContext.kernelDisplayName,
            session?.kernel.status === 'busy',
          );
    const action =
      notice?.action === 'change-kernel'
        ? button('Choose a kernel', () => this.options.changeKernel())
        : notice?.action === 'reopen'
          ? button('Try again', () => session?.reopen())
          : undefined;
    keepFocus(
      this.notice,
      () => {
        this.notice.hidden = !notice;
        this.notice.replaceChildren(
          ...(notice ? [element('strong', {}, notice.title), element('span', {}, notice.detail)] : []),
          ...(action ? [action] : []),
        );
      },
      () => action ?? this.node,
    );
  }
}
