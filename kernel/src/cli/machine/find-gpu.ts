import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { GpuAnswer } from './probe-gpu.js';

/** Drivers need seconds to start at most; one that hangs must not hang the command. */
const mostMs = 30_000;

/**
 * Looks for a GPU in a process of its own, without what drivers write to the terminal.
 * @returns its description, or why there is none; also when the driver crashes or hangs
 */
export function findGpu(): Promise<GpuAnswer> {
  const child = fork(fileURLToPath(new URL('./probe-gpu.js', import.meta.url)), {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    timeout: mostMs,
    killSignal: 'SIGKILL',
  });
  let said = '';
  child.stderr!.on('data', (text) => {
    said = `${said}${text}`.slice(-10_000);
  });
  return new Promise((resolve) => {
    let answer: GpuAnswer | undefined;
    child.on('message', (message: GpuAnswer) => {
      answer = message;
    });
    child.on('error', ({ message }) => resolve({ missing: `looking for one failed: ${message}` }));
    child.on('close', (code, signal) => {
      const last = said.trim().split('\n').at(-1);
      const end = signal ? `ended by ${signal}` : `exit code ${code}`;
      resolve(answer ?? { missing: `looking for one failed: ${end}${last ? `: ${last}` : ''}` });
    });
  });
}
