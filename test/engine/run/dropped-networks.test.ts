// @module-tag process
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nativeBackend } from '@fovea/engine/backend';
import { expect, it } from 'vitest';
import { backends } from '../support/backends.js';

const engine = fileURLToPath(new URL('../../../engine/', import.meta.url));

/** What a program prints as JSON that runs in a process of its own, where no memory was used for anything else. */
async function printed(program: string): Promise<unknown> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--input-type=module', '-e', program],
    { cwd: engine },
  );
  return JSON.parse(stdout);
}

// Elsewhere the C library decides what goes back to the system.
it.skipIf(nativeBackend.unavailable !== undefined || process.platform !== 'linux')(
  'networks that are dropped without being released leave their memory to those that follow (Linux)',
  async () => {
    const residentMB = (await printed(`
      import { builtNetwork, run, Tensor } from '@fovea/engine';
      const residentMB = [];
      for (let i = 0; i < 16; i++) {
        const network = builtNetwork('resnet50');
        const options = { strategy: 'dense', threads: 1, backend: 'native' };
        await run(network, Tensor.zeros([1, 64, 64, 3]), options);
        residentMB.push(Math.round(process.memoryUsage.rss() / 1e6));
      }
      console.log(JSON.stringify(residentMB));
    `)) as number[];
    // Each has 104 MB of weights and as much packed: room for two of them that wait for the garbage collector.
    expect(Math.max(...residentMB)).toBeLessThan(residentMB[0]! + 500);
  },
);

it.each(backends.filter(({ name, missing }) => missing === undefined && name !== 'webgpu'))(
  'results that are kept keep no networks ($name)',
  async ({ name }) => {
    const { collected, blocks } = (await printed(`
      import { builtNetwork, run, saliencyMasker, Tensor } from '@fovea/engine';
      const options = { masker: saliencyMasker(0.5), threads: 1, backend: ${JSON.stringify(name)} };
      async function ran() {
        const network = builtNetwork('resnet18');
        const result = await run(network, Tensor.zeros([1, 32, 32, 3]), options);
        return { network: new WeakRef(network), result };
      }
      const kept = [];
      for (let i = 0; i < 3; i++) kept.push(await ran());
      await new Promise((resolve) => setTimeout(resolve, 10));
      gc();
      const collected = kept.map(({ network }) => network.deref() === undefined);
      const blocks = kept.map(({ result }) => [result.masks.length, result.profile.blocks.length]);
      console.log(JSON.stringify({ collected, blocks }));
    `)) as { collected: boolean[]; blocks: number[][] };
    expect(collected).toEqual([true, true, true]);
    expect(blocks).toEqual(Array(3).fill([8, 8]));
  },
);
