import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const ENTRY = join(ROOT, 'kernel/bin/fovea.js');

/** Whether `npm run build` has been run: the end-to-end tests drive what it made. */
export const isBuilt =
  existsSync(join(ROOT, 'extension/app/dist/entry.json')) &&
  existsSync(join(ROOT, 'extension/dist/@fovea/lab/package.json')) &&
  existsSync(join(ROOT, 'kernel/lib/server/server.js'));

/** `fovea lab` as a process of its own, with an own state folder. */
export interface LabProcess {
  /** `http://localhost:port` */
  readonly origin: string;
  readonly token: string;
  /** Milliseconds from the start of the process to the printed address. */
  readonly startMs: number;
  /** What the process wrote to its terminal so far. */
  readonly output: () => string;
  /** Address of the lab with a document open, or none. */
  urlOf(path?: string): string;
  stop(): Promise<void>;
}

/**
 * Starts `fovea lab` on a folder; resolves when it has printed its address.
 * @param kept a state folder that outlives the process, for labs that are started again
 */
export async function startLab(
  folder: string,
  args: readonly string[] = [],
  kept?: string,
): Promise<LabProcess> {
  const state = kept ?? mkdtempSync(join(tmpdir(), 'fovea-state-'));
  const started = performance.now();
  const child: ChildProcess = spawn(
    process.execPath,
    [ENTRY, 'lab', folder, '--no-browser', '--port', '0', '--expose-app', ...args],
    { cwd: folder, env: { ...process.env, FOVEA_STATE_DIR: state }, stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  const address = new Promise<URL>((resolve, reject) => {
    const read = (chunk: Buffer) => {
      output += chunk.toString('utf8');
      const found = /(http:\/\/\S+)/.exec(output);
      if (found) resolve(new URL(found[1]!));
    };
    child.stdout!.on('data', read);
    child.stderr!.on('data', read);
    child.once('exit', (code) => reject(new Error(`fovea lab exited with code ${code}:\n${output}`)));
  });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await address;
  const token = url.searchParams.get('token') ?? '';
  return {
    origin: url.origin,
    token,
    startMs: performance.now() - started,
    output: () => output,
    urlOf: (path) => `${url.origin}/lab${path ? `/tree/${path}` : ''}?token=${token}`,
    async stop() {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await exited;
      clearTimeout(timer);
      if (kept === undefined) rmSync(state, { recursive: true, force: true });
    },
  };
}
