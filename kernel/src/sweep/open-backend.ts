import { FoveaError } from '@fovea/engine';
import type { SweepBackend } from './backend.js';
import { EmbeddedBackend } from './embedded/backend.js';
import type { Where } from './point.js';

interface OpenOptions {
  /** Address of a queue; this machine when left out. */
  readonly queue?: string | undefined;
  /** Labels of this machine beside its own. */
  readonly labels?: Where | undefined;
  /** How long to wait for a queue that cannot be reached; not at all when left out. */
  readonly waitMs?: number;
  /** Called with one line while the queue is waited for. */
  readonly onWaiting?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the place where sweeps are kept: a queue, or this machine.
 * @throws FoveaError `bad-argument` for labels with a queue, and as `QueueBackend.connect`
 */
export async function openBackend(options: OpenOptions): Promise<SweepBackend> {
  const { queue, labels, waitMs = 0, onWaiting, signal } = options;
  if (queue === undefined) return new EmbeddedBackend(labels ? { labels } : {});
  if (labels)
    throw new FoveaError(
      'bad-argument',
      'labels: are those of this machine; on a queue the workers have them',
    );
  // Loaded only where there is a queue: it takes memory.
  const { QueueBackend } = await import('./queue/backend.js');
  return QueueBackend.connect(queue, {
    ...{ waitMs, signal },
    onWaiting: (reason) => onWaiting?.(`${reason}; waiting up to ${waitMs / 1000} s for it`),
  });
}
