import { agreement, figure, milliseconds } from '../format';
import type { Connection } from './client';
import type { LiveDevice } from './protocol';

/** What to say of a connection that is not ready, and what can be done about it. */
export interface Notice {
  readonly title: string;
  readonly detail: string;
  readonly action?: 'change-kernel' | 'reopen';
}

/** `kernel` is the kernel's display name. */
export function noticeFor(
  connection: Connection,
  kernel: string | undefined,
  busy: boolean,
): Notice | undefined {
  switch (connection) {
    case 'ready':
      return undefined;
    case 'none':
      return {
        title: 'No notebook in front',
        detail: 'Open a notebook with the Fovea kernel, and its network appears here.',
      };
    case 'starting':
      return { title: 'The kernel is starting', detail: 'The controls appear as soon as it is ready.' };
    case 'opening':
    case 'silent':
      return busy
        ? { title: 'The kernel is busy', detail: 'The controls appear when it is free.' }
        : connection === 'opening'
          ? { title: 'Connecting', detail: 'Asking the kernel for its networks and images.' }
          : {
              title: 'The kernel does not answer',
              detail: 'The kernel is running but offers no live controls. Try updating or restarting it.',
              action: 'reopen',
            };
    case 'shared':
      return {
        title: 'The kernel is in use by another view',
        detail:
          'Its live controls belong to what another extension opened first on this page. Close that first.',
        action: 'reopen',
      };
    case 'unsupported':
      return {
        title: `${kernel ?? 'This kernel'} has no live controls`,
        detail:
          'They need the Fovea kernel. Masks and latencies stored in a notebook are shown with any kernel.',
        action: 'change-kernel',
      };
    case 'closed':
      return {
        title: 'The kernel closed the connection',
        detail: 'The last results are shown below.',
        action: 'reopen',
      };
    case 'dead':
      return {
        title: 'The kernel has died',
        detail: 'Restart it to continue with the same settings.',
      };
  }
}

/** A device in the list of those to predict for. */
export function deviceLabel({ name, kind }: LiveDevice): string {
  return kind === 'generic-cpu' ? `${name} (generic)` : name;
}

/** What a prediction's number is of: never to be taken for this machine when it is not. */
export function deviceSentence(device: LiveDevice | undefined): string {
  switch (device?.kind) {
    case 'this-machine':
      return 'this machine, calibrated';
    case 'generic-cpu':
      return 'generic CPU, not calibrated';
    default:
      return device ? `on ${device.name}` : '';
  }
}

/** `0.530× dense (8.20 ms)`: how a time compares with the same network all dense, of the same origin and device. */
export function againstDense(ms: number, denseMs: number | undefined): string {
  // The time wraps as a whole where the panel is narrow.
  return denseMs ? `${figure(ms / denseMs)}× dense (${milliseconds(denseMs).replace(' ', '\u00a0')})` : '';
}

/** How far a prediction was off; nothing where it was for another machine than the one that measured. */
export function predictionError(
  device: LiveDevice | undefined,
  predictedMs: number,
  measuredMs: number,
): string {
  return device?.kind === 'this-machine' ? agreement(predictedMs, measuredMs) : '';
}
