import type { Kernel } from '@jupyterlab/services';
import type { SessionView } from './session-views';

/**
 * The connection by which comms to a kernel are opened. In a page one connection to each kernel may, that of the view
 * which was opened first; a second notebook of the same kernel, or its console, borrows it.
 * @param views the notebooks and consoles that are open
 * @returns undefined where it belongs to something else
 */
export function commConnection(
  kernel: Kernel.IKernelConnection,
  views: readonly Pick<SessionView, 'sessionContext'>[],
): Kernel.IKernelConnection | undefined {
  if (kernel.handleComms) return kernel;
  const found = views
    .map(({ sessionContext }) => sessionContext.session?.kernel)
    .find((other) => other && other.id === kernel.id && other.handleComms && !other.isDisposed);
  return found ?? undefined;
}
