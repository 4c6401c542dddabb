import { LRUCache } from 'lru-cache';
import { compileCell } from '../execution/cells/compile.js';
import { translateMagics } from '../execution/cells/magics.js';
import type { RuntimeLink } from '../execution/runtime-link.js';
import type { Position } from '../typescript/edits.js';

/** Cells whose mapping is kept. */
const mostCells = 256;

/**
 * Places of cells that may not have run yet: breakpoints are set before the cell is compiled for its run, and
 * compiled TypeScript may have other lines than its source.
 */
export class Mapping {
  readonly #toScript = new LRUCache<string, (position: Position) => Position>({ max: mostCells });

  constructor(private readonly link: RuntimeLink) {}

  /** Adds a cell. Places in one that cannot be compiled stay as they are; it will not run either. */
  async add(file: string, code: string): Promise<void> {
    if (this.#toScript.has(file)) return;
    try {
      const { toScript } = await compileCell(translateMagics(code).code, { cell: 0 });
      this.#toScript.set(file, toScript);
    } catch {
      // Its places stay as they are.
    }
  }

  toScript(file: string, position: Position): Position {
    return this.#toScript.get(file)?.(position) ?? this.link.toScript(file, position);
  }
}
