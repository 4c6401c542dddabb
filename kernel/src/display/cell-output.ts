import process from 'node:process';
import { aFunction, anObject, expectArgument } from '@fovea/engine/files';
import type { MimeBundle } from './bundle.js';

/** Where displays go: the cell that is running, in a kernel; the terminal, in a script. */
export interface CellOutput {
  /**
   * Shows a bundle, in order with everything else that the cell writes.
   * @param options `id`: names the display; `update`: replaces what was shown under that id
   */
  display(bundle: MimeBundle, options?: { readonly id?: string; readonly update?: boolean }): void;
  /** Keeps the cell open until something that it is about to show has been made. */
  await?(pending: Promise<void>): void;
  /** Removes what the cell has shown so far; with `wait`, when something new comes. */
  clear?(wait: boolean): void;
}

/** One place for every copy of this module that a process may have loaded. */
const key = Symbol.for('fovea.cell-output');
type Holder = { [key]?: CellOutput };

/** Directs displays to a kernel's cells. Called once by the kernel's runtime. */
export function connectOutput(output: CellOutput): void {
  expectArgument(output, anObject, 'connectOutput: output');
  expectArgument(output.display, aFunction, 'connectOutput: display');
  (globalThis as Holder)[key] = output;
}

/** Where displays go now; in a plain Node script, as text to the standard output. */
export function cellOutput(): CellOutput {
  return (globalThis as Holder)[key] ?? terminalOutput;
}

const terminalOutput: CellOutput = {
  display: ({ data }) => {
    const text = data['text/plain'];
    if (typeof text === 'string') process.stdout.write(`${text}\n`);
  },
};

/** Ids already shown in this process, so that a second display under the same id replaces the first. */
const shown = new Set<string>();

/** Displays a bundle; under an id that was shown before, in its place. */
export function show(bundle: MimeBundle, id?: string): void {
  if (id === undefined) {
    cellOutput().display(bundle);
    return;
  }
  cellOutput().display(bundle, { id, update: shown.has(id) });
  shown.add(id);
}
