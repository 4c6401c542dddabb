import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { Kernel } from '../../../kernel/src/execution/host/kernel.js';
import type { Connection } from '../../../kernel/src/protocol/connection.js';

/** Lets the runtime end. */
const runtime = vi.hoisted(() => ({ end: (): void => undefined }));
vi.mock('../../../kernel/src/execution/host/runtime-process.js', () => ({
  RuntimeProcess: class {
    end(): Promise<void> {
      return new Promise((resolve) => {
        runtime.end = resolve;
      });
    }
  },
}));

it('a kernel that is ended twice has ended for both when its processes have', async () => {
  const connection: Connection = {
    transport: 'ipc',
    ip: join(tmpdir(), 'never-bound'),
    key: 'k',
    signature_scheme: 'hmac-sha256',
    ...{ shell_port: 1, iopub_port: 2, stdin_port: 3, control_port: 4, hb_port: 5 },
  };
  let exits = 0;
  const kernel = new Kernel({
    ...{ connection, directory: tmpdir(), version: '0', outputLimit: 1, colour: false, checkTypes: false },
    log: () => undefined,
    exit: () => {
      exits += 1;
    },
  });
  const ended: number[] = [];
  const shutdowns = [1, 2].map((which) => kernel.shutdown().then(() => ended.push(which)));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(ended).toEqual([]);
  runtime.end();
  await Promise.all(shutdowns);
  expect(exits).toBe(1);
});
