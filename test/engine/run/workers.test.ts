// @module-tag process
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nativeBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';

const engine = fileURLToPath(new URL('../../../engine/', import.meta.url));

/**
 * What a program prints as JSON whose worker threads alone load the addon: Node unloads it when they have ended. Each
 * worker computes a network once, says so, and goes on until it is ended when `endless`.
 */
async function printed(program: string, endless: boolean): Promise<unknown> {
  const worker = `
    import { parentPort } from 'node:worker_threads';
    import { builtNetwork, randomMasker, run, Tensor } from '@fovea/engine';
    const network = builtNetwork('resnet18');
    const once = () =>
      run(network, Tensor.zeros([1, 96, 96, 3]), { masker: randomMasker(0.5), threads: 2, backend: 'native' });
    await once();
    parentPort.postMessage('computed');
    while (${endless}) await once();
  `;
  const start = `
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    const start = () => new Worker(${JSON.stringify(worker)}, { eval: true });
  `;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', start + program],
    { cwd: engine },
  );
  return JSON.parse(stdout);
}

describe.skipIf(nativeBackend.unavailable !== undefined)(
  'networks in worker threads (skipped where no addon was built)',
  () => {
    it('a worker that is ended while a network runs in it ends alone', async () => {
      const computed = await printed(
        `
          let computed = 0;
          for (let i = 0; i < 6; i++) {
            const worker = start();
            await once(worker, 'message');
            computed++;
            await new Promise((resolve) => setTimeout(resolve, 7 * i));
            await worker.terminate();
          }
          console.log(computed);
        `,
        true,
      );
      expect(computed).toBe(6);
    });

    // Elsewhere nothing counts a process's threads so simply.
    it.skipIf(process.platform !== 'linux')(
      'workers that follow each other share native threads (Linux)',
      async () => {
        const threads = (await printed(
          `
          import { readdirSync } from 'node:fs';
          const threads = [];
          for (let i = 0; i < 4; i++) {
            await once(start(), 'exit');
            threads.push(readdirSync('/proc/self/task').length);
          }
          console.log(JSON.stringify(threads));
        `,
          false,
        )) as number[];
        expect(Math.max(...threads)).toBe(threads[0]);
      },
    );
  },
);
