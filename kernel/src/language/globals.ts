/**
 * What cells find in their global scope beside what Node has there, as declarations for the language server.
 * The kernel's runtime puts the values there.
 */
export function globalsText(): string {
  return `
import type { Fovea, MimeBundle } from '@fovea/kernel';
declare global {
  /** What Fovea offers in a notebook: showing masks and latency, plots, progress, live controls. */
  const fovea: Fovea;
  /** Shows a value in the cell's output, in the richest form that it has. */
  function display(value: unknown, options?: { id?: string; update?: boolean }): void;
  /** Results of earlier cells by their number. */
  const out: Record<number, any>;
  /** Results of earlier cells by their number. */
  const Out: Record<number, any>;
  /** Sources of earlier cells by their number. */
  const In: readonly string[];
  /** The last cell's result. */
  var _: any;
  /** Asks the user for a line of text; null when there is nobody to ask. */
  function prompt(message?: string, options?: { password?: boolean }): string | null;
  /** Asks the user a question to be answered by yes or no. */
  function confirm(message?: string): boolean;
}
export type { MimeBundle };
`;
}
