import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { SWEEP_TARGET } from '../documents/types';
import { sweepOrders } from '../sweep/orders';

/** Why a kernel has not executed an order, from what it says as it closes the comm. */
function refusalOf({
  known,
  error,
}: {
  readonly known?: unknown;
  readonly error?: unknown;
}): string | undefined {
  if (typeof error === 'string') return error;
  if (known === true) return undefined;
  return 'The kernel does not run this sweep: it is over, or the kernel was started again since. Run its cell to go on.';
}

/** Gives the buttons of sweeps their way to the kernel of the notebook that they are shown in. */
export const sweepsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/lab:sweeps',
  description: 'Pauses, resumes and cancels sweeps from their displays.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app: JupyterFrontEnd, tracker: INotebookTracker) => {
    sweepOrders.set(async (node, order) => {
      const panel = tracker.find(({ node: notebook }) => notebook.contains(node));
      const kernel = panel?.sessionContext.session?.kernel;
      if (!kernel || kernel.isDisposed || kernel.status === 'dead')
        return 'The notebook has no running kernel.';
      const comm = kernel.createComm(SWEEP_TARGET);
      return new Promise((resolve) => {
        // The kernel executes the order and closes the comm.
        comm.onClose = ({ content }) => resolve(refusalOf(content.data));
        comm.open({ ...order }).done.catch(() => resolve('The kernel was not reached.'));
      });
    });
  },
};
