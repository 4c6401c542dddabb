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
