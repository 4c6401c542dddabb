import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { webgpuBackend } from '@fovea/engine/backend';
import type { Command } from 'commander';
import { dataFolders } from '../server/jupyter-paths.js';
import { findAssets } from '../server/lab/assets.js';
import { installPaths, isOurKernelspec } from './installation.js';

interface Finding {
  readonly ok: boolean;
  readonly subject: string;
  readonly detail: string;
}

/** Runs one check; what it throws is the finding. */
async function check(subject: string, look: () => string | Promise<string>): Promise<Finding> {
  try {
    return { ok: true, subject, detail: await look() };
  } catch (error) {
    return {
      ok: false,
      subject,
      detail: error instanceof Error ? error.message.split('\n')[0]! : String(error),
    };
  }
}

/** Every installed kernelspec must still point at files that are there: they move when Node is upgraded. */
function checkKernelspecs(): Promise<Finding>[] {
  return dataFolders()
    .map((folder) => installPaths(folder).kernelspec)
    .filter(isOurKernelspec)
    .map((folder) =>
      check(`kernelspec ${folder}`, () => {
        const { argv } = JSON.parse(readFileSync(join(folder, 'kernel.json'), 'utf8')) as { argv: string[] };
        const missing = argv.filter((word) => word.startsWith('/') && !existsSync(word));
        if (missing.length > 0) throw new Error(`${missing.join(', ')} is gone; run fovea install again`);
        return argv.slice(0, 2).join(' ');
      }),
    );
}

/** Only the webgpu backend needs a GPU, so a machine without one is in order. */
async function checkGpu(): Promise<Finding> {
  const missing = await webgpuBackend.check!();
  const detail = missing === undefined ? 'usable: --backend webgpu' : `none for --backend webgpu; ${missing}`;
  return { ok: true, subject: 'GPU', detail };
}

/** Adds `fovea doctor`, which says what works on this machine and what to do about what does not. */
export function register(program: Command): void {
  program
    .command('doctor')
    .description('check what Fovea needs on this machine')
    .action(async () => {
      const findings = await Promise.all([
        check('Node', () => `${process.version} at ${process.execPath}`),
        check('ZeroMQ', async () => `libzmq ${(await import('zeromq')).version}`),
        check('lab application', () => findAssets().app),
        ...checkKernelspecs(),
        checkGpu(),
      ]);
      for (const { ok, subject, detail } of findings) {
        process.stdout.write(`${ok ? 'ok   ' : 'FAIL '} ${subject}: ${detail}\n`);
      }
      if (findings.some(({ ok }) => !ok)) process.exitCode = 1;
    });
}
