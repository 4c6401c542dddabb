import { diskRefusal } from '@fovea/engine/files';
import { dataFolder } from '@fovea/engine/internal';
import { computePoint } from '../compute/compute.js';
import { ownLabels } from './own-labels.js';
import type { RunnerMessage, RunnerTask } from './protocol.js';

/**
 * Entry of the runner, the process that computes points one after the other. It may block its own event loop: locks and
 * connections are its parent's.
 */
const post = (message: RunnerMessage) => void process.send?.(message);

/** Shortest time between two reports of progress. */
const progressMs = 100;

process.on('disconnect', () => process.exit(0));
// Ctrl-C in a terminal reaches the whole process group; the parent decides what it means.
process.on('SIGINT', () => undefined);
process.on('message', ({ id, point, materials }: RunnerTask) => {
  let reportedMs = performance.now();
  const onProgress = (fraction: number) => {
    if (performance.now() - reportedMs < progressMs) return;
    reportedMs = performance.now();
    post({ type: 'progress', id, fraction });
  };
  computePoint(point, { materials, onProgress }).then(
    (result) => post({ type: 'result', id, result }),
    (error: unknown) =>
      post({
        ...{ type: 'error', id, message: error instanceof Error ? error.message : String(error) },
        disk: diskRefusal(error),
      }),
  );
});
post({ type: 'ready', dataFolder: dataFolder(), labels: ownLabels() });
