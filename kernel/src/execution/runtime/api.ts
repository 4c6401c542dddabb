import { comms } from '../../display/comm.js';
import { clearOutput, display } from '../../display/display.js';
import { registerFormatter } from '../../display/format.js';
import { html, image, json, latex, markdown, png, svg } from '../../display/rich.js';
import type { globalNames } from '../global-names.js';
import { userNames } from './globals.js';

const mentioned = /(?<![@\w$.])fovea\b/;

/** Whether a cell may use `fovea`, and has to wait until it is there. */
export function mentionsApi(code: string): boolean {
  return mentioned.test(code);
}

/**
 * Where the current cell's signal is left, for code that wants to stop when the cell is interrupted. The engine looks
 * there by the same name (`ambientSignal`); it is not imported here, since cells start before it is loaded.
 */
export const SIGNAL = Symbol.for('fovea.signal');

/** What is available to cells from the start. */
export const lightApi: Readonly<Record<(typeof globalNames)[number], unknown>> = {
  display,
  clearOutput,
  html,
  markdown,
  latex,
  json,
  png,
  svg,
  image,
  comms,
};

/** Puts names into the global scope where a cell can redeclare them. */
export function offer(values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (userNames.has(name)) continue;
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  }
}

/**
 * Loads `fovea` and the displays of the engine's nouns. It is loaded beside the first cells, because drawing
 * and the engine behind it take a while to load.
 */
export async function loadFovea(signal: () => AbortSignal | undefined): Promise<void> {
  const { fovea, nounBundle } = await import('../../index.js');
  registerFormatter(nounBundle);
  const properties = { signal: { get: signal, enumerable: true } };
  offer({ fovea: Object.defineProperties({ ...fovea }, properties) });
}
