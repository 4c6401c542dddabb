import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { SWEEP_TARGET } from '../documents/types';
import { sweepOrders } from '../sweep/orders';

/** Gives the buttons of sweeps their way to the kernel of the notebook that they are shown in. */
export const sweepsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/lab:sweeps',
  description: 'Pauses, resumes and cancels sweeps from their displays.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_app: JupyterFrontEnd, tracker: INotebookTracker) => {
    sweepOrders.set((node, order) => {
      const panel = tracker.find(({ node: notebook }) => notebook.contains(node));
      const kernel = panel?.sessionContext.session?.kernel;
      if (!kernel || kernel.isDisposed || kernel.status === 'dead') return false;
      // The kernel executes the order and closes the comm.
      kernel
        .createComm(SWEEP_TARGET)
        .open({ ...order })
        .done.catch(() => undefined);
      return true;
    });
  },
};
