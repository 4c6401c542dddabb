import type { ProgramMap, ProgramRegion, Step } from '../program/program.js';
import type { Shape } from '../tensor.js';

/**
 * A strategy's own change to what the groups of a block's plan were lowered to: other fusions, streams and bands, another
 * order of steps or of cells, another layout or region of an intermediate. What comes back is checked before it runs, as any
 * program is, and must leave the same values in the same maps: a rewrite changes how a block is computed, not what.
 */
export interface Rewrite {
  /** For messages, notes and tables. */
  readonly name: string;
  /**
   * Called whenever the block is lowered: for a run with the whole network, for a prediction without the nodes before it,
   * for a search by itself, where it pools for no other. Maps and masks are numbered otherwise each time; the same steps
   * should get the same answer.
   *
   * @param steps those of the block in order, frozen plain data
   * @returns the steps that take their place; `steps` itself where there is nothing to change
   */
  apply(steps: readonly Step[], tools: RewriteTools): readonly Step[];
}

/** What a rewrite makes besides steps. */
export interface RewriteTools {
  /**
   * A new value for the steps to write and read.
   * @param shape `[N, H, W, C]`
   * @param region left out, a whole map; otherwise the map holds the rows of these pixels only, packed, and its shape is
   *   still that of the whole
   * @throws FoveaError `bad-argument` for a shape that is none or too large
   */
  map(shape: Shape, region?: ProgramRegion): ProgramMap;
}
