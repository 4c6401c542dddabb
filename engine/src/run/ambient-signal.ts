/** Where a program around the engine, such as a notebook's kernel, leaves the signal of what is running. */
const place = Symbol.for('fovea.signal');

/** The signal that a run obeys when it is given none; undefined where no program has left one. */
export function ambientSignal(): AbortSignal | undefined {
  const signal = (globalThis as { [place]?: unknown })[place];
  return signal instanceof AbortSignal ? signal : undefined;
}
