/** Progress of a long command on stderr, and a signal that Ctrl-C aborts. */
export interface ProgressLine {
  readonly signal: AbortSignal;
  readonly update: (fraction: number, what: string) => void;
  /** Clears the line and stops listening for Ctrl-C. */
  readonly end: () => void;
}

/** Shows `title`, percentage and detail on one line of a terminal; nothing where stderr is not one. */
export function showProgress(title: string): ProgressLine {
  const controller = new AbortController();
  const interrupt = () => controller.abort();
  process.once('SIGINT', interrupt);
  const shown = process.stderr.isTTY;
  return {
    signal: controller.signal,
    update: (fraction, what) => {
      if (shown) process.stderr.write(`\r\x1b[K${title} ${Math.round(100 * fraction)} % ${what}`);
    },
    end: () => {
      process.off('SIGINT', interrupt);
      if (shown) process.stderr.write('\r\x1b[K');
    },
  };
}

/**
 * Rewrites one line on a terminal's error stream; elsewhere it writes a line every half minute, so that logs stay short.
 * @param text what the line says
 */
export function progressLine<Values extends unknown[]>(
  text: (...values: Values) => string,
): (...values: Values) => void {
  let said = 0;
  return (...values) => {
    const now = performance.now();
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text(...values)}`);
    else if (now - said > 30_000) {
      said = now;
      process.stderr.write(`${text(...values)}\n`);
    }
  };
}

/** A time in the most readable unit. */
export function timeLeft(ms: number): string {
  return ms > 90_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 1000)} s`;
}

/** Runs what Ctrl-C or a termination aborts, and ends a line that was being rewritten. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const interruption = new AbortController();
  const interrupt = () => interruption.abort();
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    return await work(interruption.signal);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
    if (process.stderr.isTTY) process.stderr.write('\n');
  }
}
