import { strategyNames } from '@fovea/engine';
import { diskRefusal } from '@fovea/engine/files';
import { dataFolder } from '@fovea/engine/internal';
import { computePoint } from '../compute/compute.js';
import type { PointResult } from '../point.js';
import { importModule, importModules } from '../strategy-module.js';
import { ownLabels } from './own-labels.js';
import type { RunnerMessage, RunnerTask, StrategiesTask } from './protocol.js';

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
process.on('message', (task: RunnerTask | StrategiesTask) => {
  const { id } = task;
  ('importing' in task ? strategiesOf(task) : compute(task)).then(
    (result) => post({ type: 'result', id, result }),
    (error: unknown) =>
      post({
        ...{ type: 'error', id, message: error instanceof Error ? error.message : String(error) },
        disk: diskRefusal(error),
      }),
  );
});

async function compute({ id, point, materials, modules = {} }: RunnerTask): Promise<PointResult> {
  let reportedMs = performance.now();
  const onProgress = (fraction: number) => {
    if (performance.now() - reportedMs < progressMs) return;
    reportedMs = performance.now();
    post({ type: 'progress', id, fraction });
  };
  await importModules(point.modules ?? [], modules);
  return computePoint(point, { materials, onProgress });
}

async function strategiesOf({ importing }: StrategiesTask): Promise<PointResult> {
  for (const path of importing) await importModule(path);
  return { strategies: strategyNames() };
}

post({ type: 'ready', dataFolder: dataFolder(), labels: ownLabels() });
