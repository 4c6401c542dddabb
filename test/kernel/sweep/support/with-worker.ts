import { QueueWorker, type QueueWorkerOptions } from '../../../../kernel/src/sweep/queue/worker.js';
import { fakeRunner } from './points.js';

/** Works while a worker of engine 1.0.0 takes points from a queue. */
export async function withWorker<T>(
  url: string,
  options: QueueWorkerOptions,
  work: () => Promise<T>,
): Promise<T> {
  const worker = await QueueWorker.connect(url, { runner: fakeRunner, engine: '1.0.0', ...options });
  const running = worker.run();
  try {
    return await work();
  } finally {
    worker.stop();
    await running;
  }
}
