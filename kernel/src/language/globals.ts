/**
 * What cells find in their global scope beside what Node has there, as declarations for the language server.
 * The kernel's runtime puts the values there.
 */
export function globalsText(): string {
  return `
import type * as kernel from '@fovea/kernel';
declare global {
  /** What Fovea offers in a notebook: showing masks and latency, plots, progress, live controls. */
  const fovea: kernel.Fovea;
  const display: typeof kernel.display;
  const clearOutput: typeof kernel.clearOutput;
  const html: typeof kernel.html;
  const markdown: typeof kernel.markdown;
  const latex: typeof kernel.latex;
  const json: typeof kernel.json;
  const png: typeof kernel.png;
  const svg: typeof kernel.svg;
  const image: typeof kernel.image;
  const comms: typeof kernel.comms;
  /** Results of earlier cells by their number. */
  const out: Record<number, any>;
  /** Results of earlier cells by their number. */
  const Out: Record<number, any>;
  /** Sources of earlier cells by their number. */
  const In: readonly string[];
  /** The last cell's result. */
  var _: any;
  /** Asks for a line of text; 'initial' when it is left empty. */
  function prompt(message?: string, initial?: string): string;
  /** Asks a question to be answered by y or n. */
  function confirm(message?: string): boolean;
  /** Asks for a line of text that is not shown as it is typed. */
  function password(message?: string): string;
}
export {};
`;
}
