import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { isBuilt } from './lab-process.js';

export const run = promisify(execFile);
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
export const FOVEA = join(ROOT, 'kernel/bin/fovea.js');

/** A Python virtual environment below test/output, kept between runs, as it takes a minute to make. */
export interface PythonEnvironment {
  readonly prefix: string;
  /** Why there is none: no Python, no package index, or a kernel that is not built. */
  readonly unavailable: string | undefined;
  /** Path of a command in it. */
  bin(name: string): string;
}

/** Makes the environment of that name, or takes the one that holds these packages already. */
export async function pythonEnvironment(
  name: string,
  packages: readonly string[],
): Promise<PythonEnvironment> {
  const prefix = join(ROOT, 'test/output', name);
  const bin = (command: string) => join(prefix, 'bin', command);
  const unavailable = await prepare(prefix, packages);
  if (unavailable) process.stderr.write(`Not tested in ${name}: ${unavailable}\n`);
  return { prefix, unavailable, bin };
}

async function prepare(prefix: string, packages: readonly string[]): Promise<string | undefined> {
  if (!isBuilt) return 'npm run build has not been run';
  const ready = join(prefix, 'bin/.ready');
  const content = packages.join('\n');
  if (existsSync(ready) && readFileSync(ready, 'utf8') === content) return undefined;
  try {
    mkdirSync(prefix, { recursive: true });
    await run('python3', ['-m', 'venv', '--clear', prefix], { timeout: 120_000 });
    await run(join(prefix, 'bin/pip'), ['install', '--quiet', '--retries', '1', ...packages], {
      timeout: 600_000,
    });
    writeFileSync(ready, content);
    return undefined;
  } catch (error) {
    return (error as Error).message.split('\n')[0] ?? 'failed';
  }
}

/** Which JupyterLab to test in; the oldest that is supported is 4.4.0. */
const LAB = process.env.JUPYTERLAB ?? '>=4.4';

/** An unmodified JupyterLab, and the programs that run notebooks without one. */
export const labEnvironment = () =>
  pythonEnvironment(`python-lab${LAB.replace(/[^\d.]/g, '-')}`, [
    `jupyterlab${/^\d/.test(LAB) ? `==${LAB}` : LAB}`,
    'nbclient',
    'papermill',
    'jupyter_console',
  ]);

/** Nothing of the user's own Jupyter may have a say where this is the environment of processes. */
export const jupyterEnvironment = (folder: string): NodeJS.ProcessEnv => ({
  ...process.env,
  JUPYTER_DATA_DIR: join(folder, 'data'),
  JUPYTER_CONFIG_DIR: join(folder, 'config'),
  JUPYTER_RUNTIME_DIR: join(folder, 'runtime'),
  JUPYTER_PREFER_ENV_PATH: '1',
  FOVEA_HISTORY: join(folder, 'history'),
});

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
