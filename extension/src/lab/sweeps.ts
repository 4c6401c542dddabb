import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import type { ISessionContext } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';
import { SWEEP_TARGET, type SweepOrder } from '../documents/types';
import { sweepOrders } from '../sweep/orders';
import { commConnection } from './comm-connection';
import { SessionViews } from './session-views';

/** What a kernel says as it closes the comm; one that knows nothing of sweeps says nothing. */
interface Answer {
  readonly known?: unknown;
  readonly error?: unknown;
}

const GONE =
  'No kernel runs this sweep: it is over, or the kernel was started again since. Run its cell to go on.';

/** Hands an order to a kernel, or without an action asks whether it runs the sweep; the kernel answers by closing the comm. */
function tell(
  kernel: Kernel.IKernelConnection,
  order: Omit<SweepOrder, 'action'> & Partial<SweepOrder>,
): Promise<Answer> {
  const comm = kernel.createComm(SWEEP_TARGET);
  return new Promise((resolve) => {
    comm.onClose = ({ content }) => resolve(content.data);
    comm.open({ ...order }).done.catch(() => resolve({ known: true, error: 'The kernel was not reached.' }));
  });
}

const DOWN: ReadonlySet<Kernel.Status> = new Set([
  'unknown',
  'starting',
  'restarting',
  'autorestarting',
  'terminating',
  'dead',
]);

/** The kernel of a session, where it is up. */
function kernelOf(context: ISessionContext): Kernel.IKernelConnection | undefined {
  const kernel = context.session?.kernel;
  return kernel && !kernel.isDisposed && !DOWN.has(kernel.status) ? kernel : undefined;
}

/** Gives the buttons of sweeps their way to the kernel that runs them. */
export const sweepsPlugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/lab:sweeps',
  description: 'Pauses, resumes and cancels sweeps from their displays.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [IConsoleTracker],
  activate: (_app: JupyterFrontEnd, notebooks: INotebookTracker, consoles: IConsoleTracker | null) => {
    const views = new SessionViews(notebooks, consoles);
    /** The kernel that runs a sweep, found by asking. */
    const runnerOf = async (node: HTMLElement, id: string): Promise<Kernel.IKernelConnection | undefined> => {
      const all = views.all();
      const around = all.find((view) => view.node.contains(node));
      // An output may also be shown in a view of its own, outside its notebook.
      const kernels = new Set(
        (around ? [around] : all).flatMap(({ sessionContext }) => {
          const kernel = kernelOf(sessionContext);
          return (kernel && commConnection(kernel, all)) ?? [];
        }),
      );
      const asked = [...kernels].map(async (kernel) => {
        if ((await tell(kernel, { id })).known !== true) throw new Error(GONE);
        return kernel;
      });
      return Promise.any(asked).catch(() => undefined);
    };

    /** Which kernels could be asked last, by their sessions. */
    const known = new WeakMap<ISessionContext, Kernel.IKernelConnection | undefined>();
    const look = (context: ISessionContext) => {
      const kernel = kernelOf(context);
      if (known.get(context) === kernel) return;
      known.set(context, kernel);
      sweepOrders.changed.emit();
    };
    views.watch(({ sessionContext }) => {
      sessionContext.statusChanged.connect(look);
      sessionContext.kernelChanged.connect(look);
      look(sessionContext);
    });

    sweepOrders.set({
      reaches: async (node, id) => (await runnerOf(node, id)) !== undefined,
      send: async (node, order) => {
        const kernel = await runnerOf(node, order.id);
        if (!kernel) return GONE;
        const { known: isKnown, error } = await tell(kernel, order);
        if (typeof error === 'string') return error;
        return isKnown === true ? undefined : GONE;
      },
    });
  },
};
