import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The program behind the command `fovea`, for tests that start it themselves. */
export const entry = fileURLToPath(new URL('../../../kernel/bin/fovea.js', import.meta.url));

/** Path of a file under test/fixtures. */
export const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built `fovea` command to its end. */
export function fovea(...args: string[]): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (text) => (stdout += text));
    child.stderr.on('data', (text) => (stderr += text));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}
