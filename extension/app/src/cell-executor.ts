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
    if (!context.session?.kernel && !context.isReady) await context.initialize();
    const start = this.underWay.get(context) ?? (context.hasNoKernel ? this.start(context) : undefined);
    await start;
  }

  private start(context: ISessionContext): Promise<unknown> {
    const start = context.startKernel().finally(() => this.underWay.delete(context));
    this.underWay.set(context, start);
    return start;
  }
}
