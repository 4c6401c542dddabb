import { globalNames } from '../execution/global-names.js';

/**
 * What cells find in their global scope beside what Node has there, as declarations for the language server.
 * The kernel's runtime puts the values there.
 */
export function globalsText(): string {
  return `import type * as kernel from '@fovea/kernel';
declare global {
  var fovea: kernel.Fovea;
${globalNames.map((name) => `  var ${name}: typeof kernel.${name};`).join('\n')}
  /** Results of earlier cells, by number. */
  var out: Record<number, any>;
  /** Results of earlier cells, by number. */
  var Out: Record<number, any>;
  /** Sources of earlier cells, by number. */
  var In: string[];
  /** The last result. */
  var _: any;
  /** Asks for a line; \`initial\` is the answer when it is empty. */
  function prompt(message?: string, initial?: string): string;
  /** Asks a yes-or-no question: true for \`y\` and \`yes\`. */
  function confirm(message?: string): boolean;
  /** Asks for a line that is not shown as it is typed. */
  function password(message?: string): string;
}
`;
}
