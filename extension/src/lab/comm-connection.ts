import type { INotebookTracker } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

/**
 * The connection by which comms to a kernel are opened. In a page one connection to each kernel may, that of the view
 * which was opened first; a second notebook of the same kernel borrows it.
 * @returns undefined where it belongs to something else than a notebook
 */
export function commConnection(
  kernel: Kernel.IKernelConnection,
  tracker: Pick<INotebookTracker, 'forEach'>,
): Kernel.IKernelConnection | undefined {
  let found = kernel.handleComms ? kernel : undefined;
  tracker.forEach(({ sessionContext }) => {
    const other = sessionContext.session?.kernel;
    if (!found && other && other.id === kernel.id && other.handleComms && !other.isDisposed) found = other;
  });
  return found;
}
