import { formatPercent } from '../../presentation/index.js';

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

/** What asks a command to end: Ctrl-C, a termination, and a terminal that is gone. */
const requests = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** npx passes on what the terminal has sent to the command already: that is not a second request. */
const repeatedMs = 2000;

/** A signal that is aborted when the command is asked to end; asked again, the process ends at once. */
function abortOnRequest(): { readonly signal: AbortSignal; readonly release: () => void } {
  const controller = new AbortController();
  let firstMs: number | undefined;
  const request = (name: NodeJS.Signals) => {
    firstMs ??= performance.now();
    controller.abort();
    if (performance.now() - firstMs < repeatedMs) return;
    release();
    process.kill(process.pid, name);
  };
  const release = () => {
    for (const name of requests) process.off(name, request);
  };
  for (const name of requests) process.on(name, request);
  return { signal: controller.signal, release };
}

/** Progress of a long command on stderr, and a signal that Ctrl-C or a termination aborts. */
export interface ProgressLine {
  readonly signal: AbortSignal;
  readonly update: (fraction: number, what: string) => void;
  /** Clears the line and stops listening for requests to end. */
  readonly end: () => void;
}

/** Shows `title`, percentage and detail on one line of a terminal; nothing where stderr is not one. */
export function showProgress(title: string): ProgressLine {
  const { signal, release } = abortOnRequest();
  return {
    signal,
    update: (fraction, what) => {
      if (canRewrite()) rewriteLine(`${title} ${formatPercent(fraction, 0)} ${what}`);
    },
    end: () => {
      release();
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
export function duration(ms: number): string {
  return ms > 90_000 ? `${Math.round(ms / 60_000)} min` : `${Math.round(ms / 1000)} s`;
}

/** Runs what Ctrl-C or a termination aborts, and clears the line that showed progress. */
export async function interruptible<Result>(work: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
  const { signal, release } = abortOnRequest();
  try {
    return await work(signal);
  } finally {
    release();
    clearLine();
  }
}
