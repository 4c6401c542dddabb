/** A worker as a process of its own, with the fake runner: worker-process.mjs URL NAME */
import { fileURLToPath } from 'node:url';
import { QueueWorker } from '../../../../kernel/lib/sweep/queue/worker.js';

const [url, name] = process.argv.slice(2);
const runner = fileURLToPath(new URL('./fake-runner.mjs', import.meta.url));
process.env.WORKER = name;
const worker = await QueueWorker.connect(url, { labels: { host: name }, runner, engine: 'test' });
process.on('SIGTERM', () => worker.stop());
process.send?.('ready');
await worker.run();
process.exit(0);
