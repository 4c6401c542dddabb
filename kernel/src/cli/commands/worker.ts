import type { Command } from 'commander';
import { collectLabel, LABEL_OPTION } from '../options/label-option.js';

interface WorkerCommandOptions {
  readonly queue: string;
  readonly label?: Readonly<Record<string, string>>;
  readonly name?: string;
}

const EXAMPLES = `
Start one on each machine; each takes one point at a time, so that measurements are alone:

  ssh:         ssh tx2-1 fovea worker --queue redis://head:6379 --label host=tx2-1
  Slurm:       sbatch --array=1-8 --exclusive --wrap 'fovea worker --queue redis://head:6379 --label gpu=a100'
  Kubernetes:  a Job with parallelism: 8 whose containers run the same command
  Ray:         ray job submit -- fovea worker --queue redis://head:6379

SIGTERM lets the point under way end for ten seconds, then gives it back to the queue; killed, a worker loses its point
to another one. The guide to sweeps has a job script for each, and how to set the queue up.
`;

/** `fovea worker`: computes points of sweeps that a queue holds. */
export function register(command: Command): void {
  command
    .requiredOption(
      '--queue <url>',
      'redis://[user:password@]host:port, or rediss://… with ?ca=…&cert=…&key=… as PEM files; $FOVEA_QUEUE_PASSWORD is used where the address has no password',
    )
    .option(
      LABEL_OPTION,
      'a label by which points can select this machine; repeatable (host, arch and platform are set)',
      collectLabel,
    )
    .option('--name <name>', 'name in records (default: the label host, or the name of the machine)')
    .addHelpText('after', EXAMPLES)
    .action(async ({ queue, label, name }: WorkerCommandOptions) => {
      const { QueueWorker } = await import('../../sweep/queue/worker.js');
      const log = (line: string) => void process.stderr.write(`fovea worker: ${line}\n`);
      const worker = await QueueWorker.connect(queue, {
        log,
        ...(label === undefined ? {} : { labels: label }),
        ...(name === undefined ? {} : { name }),
      });
      const { labels, engine } = worker.facts;
      const said = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
      log(`${worker.facts.name} serves the queue with engine ${engine}: ${said.join(' ')}`);
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => worker.stop());
      await worker.run();
      log('stopped');
      process.exit(0);
    });
}
