// @module-tag process
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { nativeBackend } from '@fovea/engine/backend';
import { expect, it } from 'vitest';

const engine = fileURLToPath(new URL('../../../engine/', import.meta.url));

/** Opens, runs and drops networks, one after the other, in a process that has not used memory for anything else. */
const program = `
import { builtNetwork, run, Tensor } from '@fovea/engine';
const residentMB = [];
for (let i = 0; i < 16; i++) {
  const network = builtNetwork('resnet50');
  await run(network, Tensor.zeros([1, 64, 64, 3]), { strategy: 'dense', threads: 1, backend: 'native' });
  residentMB.push(Math.round(process.memoryUsage.rss() / 1e6));
}
console.log(JSON.stringify(residentMB));
`;

// Elsewhere the C library decides what goes back to the system.
it.skipIf(nativeBackend.unavailable !== undefined || process.platform !== 'linux')(
  'networks that are dropped without being released leave their memory to those that follow (Linux)',
  async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      cwd: engine,
    });
    const residentMB = JSON.parse(stdout) as number[];
    // Each has 104 MB of weights and as much packed: room for two of them that wait for the garbage collector.
    expect(Math.max(...residentMB)).toBeLessThan(residentMB[0]! + 500);
  },
);
