import { freshName } from '../../typescript/fresh-name.js';
import { BRIDGE } from '../bridge.js';

/**
 * Begins every global that the kernel makes for its own use. Cells cannot declare such names at their top level;
 * anywhere else they can, and the code made of such a cell uses another name.
 */
const PREFIX = BRIDGE;

/** Whether a name at the top level of a cell is the kernel's. */
export function isReserved(name: string): boolean {
  return name.startsWith(PREFIX);
}

/**
 * The name of a global that belongs to the code made of one cell, such as a compiler's helper.
 *
 * @param cell number of the cell
 */
export function helperName(name: string, cell: number, source: string): string {
  return freshName(`${PREFIX}${cell}_${name}`, source);
}
