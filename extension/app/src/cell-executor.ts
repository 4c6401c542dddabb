import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import { INotebookCellExecutor, KernelError, runCell } from '@jupyterlab/notebook';

/**
 * Runs cells as JupyterLab does, in its place. A cell that is sent while its kernel starts waits for it: JupyterLab ran
 * the first of them and left out the others without a word. A cell that cannot be sent is marked as not run: one that
 * had never run before kept its star.
 */
export const cellExecutorPlugin: JupyterFrontEndPlugin<INotebookCellExecutor> = {
  id: '@jupyterlab/notebook-extension:cell-executor',
  description: 'Runs the cells of notebooks, once there is a kernel.',
  autoStart: true,
  provides: INotebookCellExecutor,
  activate: ({ serviceManager: { sessions } }: JupyterFrontEnd) => {
    const starts = new KernelStarts();
    return Object.freeze<INotebookCellExecutor>({
      async runCell(options) {
        const { cell, sessionContext } = options;
        if (cell.model.type !== 'code' || !sessionContext) return runCell(options);
        await starts.of(sessionContext);
        if (cell.isDisposed) return false;
        try {
          return await runCell(options);
        } catch (error) {
          if (!(error instanceof KernelError)) {
            (cell as CodeCell).model.executionState = 'idle';
            // Finds out at once whether the server or only the kernel is gone, and the page says so.
            void sessions.refreshRunning();
          }
          throw error;
        }
      },
    });
  },
};

/** Starts of kernels that are under way; what comes meanwhile takes part in them. */
class KernelStarts {
  private readonly underWay = new Map<ISessionContext, Promise<unknown>>();

  /** Resolves when a document has a kernel, or none can be started without asking. */
  async of(context: ISessionContext): Promise<void> {
    // A document that was just opened starts its kernel itself; JupyterLab asked for one beside that.
    if (!context.session?.kernel && !context.isReady) {
      await kernelNamed(context);
      await context.initialize();
    }
    const start = this.underWay.get(context) ?? (context.hasNoKernel ? this.start(context) : undefined);
    await start;
  }

  private start(context: ISessionContext): Promise<unknown> {
    const start = context.startKernel().finally(() => this.underWay.delete(context));
    this.underWay.set(context, start);
    return start;
  }
}

/** Longer than a document takes from its first cell on the screen to its checkpoint on the server. */
const NAMED_MS = 10_000;

/**
 * Resolves when a document that was just opened has said which kernel it wants, which is some time after its cells are
 * shown: started before, it would ask. One that names none has either asked by now, or says so.
 */
function kernelNamed(context: ISessionContext): Promise<void> {
  if (context.kernelPreference.name) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      context.kernelPreferenceChanged.disconnect(done);
      resolve();
    };
    const timer = setTimeout(done, NAMED_MS);
    context.kernelPreferenceChanged.connect(done);
    void context.ready.then(done);
  });
}
