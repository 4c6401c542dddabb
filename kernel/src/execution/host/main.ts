import type { Connection } from '../../protocol/connection.js';
import { version } from '../../version.js';
import { Kernel } from './kernel.js';

const DEFAULT_OUTPUT_LIMIT = 8_000_000;

/** A kernel that listens. */
export interface RunningKernel {
  /** Resolves when the kernel has ended, for any reason. */
  readonly ended: Promise<void>;
  /** Stops the running cell. */
  interrupt(): Promise<void>;
  /** Ends the kernel; resolves when all its processes have ended. */
  shutdown(): Promise<void>;
}

/**
 * Starts a kernel in this process, which SIGINT then interrupts and SIGTERM ends.
 *
 * @throws FoveaError `io` when a socket cannot be bound
 */
export async function startKernel(connection: Connection): Promise<RunningKernel> {
  let exit = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    exit = resolve;
  });
  const kernel = new Kernel({
    connection,
    directory: process.cwd(),
    version,
    outputLimit: Number(process.env.FOVEA_OUTPUT_LIMIT) || DEFAULT_OUTPUT_LIMIT,
    colour: !process.env.NO_COLOR,
    checkTypes: process.env.FOVEA_TYPES !== 'off',
    log: logLine,
    exit: () => exit(),
  });
  const interrupt = () => void kernel.interrupt();
  const shutdown = () => void kernel.shutdown();
  process.on('SIGINT', interrupt).on('SIGTERM', shutdown);
  try {
    await kernel.start();
  } catch (error) {
    process.off('SIGINT', interrupt).off('SIGTERM', shutdown);
    throw error;
  }
  return { ended, interrupt: () => kernel.interrupt(), shutdown: () => kernel.shutdown() };
}

/** Writes a line of the kernel's own to the terminal, or the log, of the process that started it. */
export function logLine(line: string): void {
  process.stderr.write(`[fovea] ${line}\n`);
}
