/** What a terminal understands that rewrites lines. */
const CLEAR = '\r\x1b[K';

/** Whether the error stream is a terminal that can rewrite a line; one with TERM=dumb cannot. */
function canRewrite(): boolean {
  return process.stderr.isTTY && process.env.TERM !== 'dumb';
}

/** Shows `text` in the place of the line shown before, cut to the terminal's width: what is longer wraps, and stays. */
function rewriteLine(text: string): void {
  const columns = process.stderr.columns || 80;
  process.stderr.write(`${CLEAR}${[...text].slice(0, columns - 1).join('')}`);
}

/** Removes the line that shows progress, before something else is printed. */
export function clearLine(): void {
  if (canRewrite()) process.stderr.write(CLEAR);
}

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
  return {
    signal: controller.signal,
    update: (fraction, what) => {
      if (canRewrite()) rewriteLine(`${title} ${Math.round(100 * fraction)} % ${what}`);
    },
    end: () => {
      process.off('SIGINT', interrupt);
      clearLine();
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
    if (canRewrite()) rewriteLine(text(...values));
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

/** Runs what Ctrl-C or a termination aborts, and clears the line that showed progress. */
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
    clearLine();
  }
}
