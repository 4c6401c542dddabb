import { likelyNames } from './declarations.js';
import type { Diagnostic } from './diagnose.js';

/** A cell that has run. */
export interface RanCell {
  readonly code: string;
  /** Whether its type errors are wanted. */
  readonly check: boolean;
  /** Where it failed, if it did: see `Failure`. */
  readonly failure?: Failure | undefined;
}

/** How far a cell came that failed or was stopped. */
export interface Failure {
  /** The line, from 0, that failed; undefined when that is not known. */
  readonly line: number | undefined;
}

/** What taking cells into account needs of the language service. */
export interface Committer {
  diagnose(code: string): Promise<readonly Diagnostic[]>;
  commit(code: string, failure?: Failure): Promise<void>;
  /** Takes cells as if they were one; `false`, with nothing done, when anything is wrong in them. */
  commitTogether(codes: readonly string[]): Promise<boolean>;
}

/**
 * Takes cells into account in the order in which they ran. Every module more makes the server build its program
 * again, so that cells that wait together, as after Run All, become one module where they declare different names
 * and have no errors; others are found by halving the batch. Cells that failed stand alone: not all that they declare counts.
 *
 * @returns the type errors of each cell
 */
export async function take(
  committer: Committer,
  cells: readonly RanCell[],
): Promise<readonly (readonly Diagnostic[])[]> {
  const [first, ...others] = cells;
  if (!first) return [];
  if (others.length === 0) {
    const found = first.check ? await committer.diagnose(first.code) : [];
    await committer.commit(first.code, first.failure);
    return [found];
  }
  const failed = cells.findIndex(({ failure }) => failure);
  if (failed >= 0) return takeApart(committer, cells, Math.max(1, failed));
  const again = firstRepeated(cells);
  if (again === undefined && (await committer.commitTogether(cells.map(({ code }) => code)))) {
    return cells.map(() => []);
  }
  return takeApart(committer, cells, again ?? cells.length >> 1);
}

async function takeApart(
  committer: Committer,
  cells: readonly RanCell[],
  middle: number,
): Promise<readonly (readonly Diagnostic[])[]> {
  return [
    ...(await take(committer, cells.slice(0, middle))),
    ...(await take(committer, cells.slice(middle))),
  ];
}

/** Index of the first cell that declares a name of a cell before it. */
function firstRepeated(cells: readonly RanCell[]): number | undefined {
  const names = new Set<string>();
  for (const [index, { code }] of cells.entries()) {
    for (const name of likelyNames(code)) {
      if (names.has(name)) return index;
    }
    for (const name of likelyNames(code)) names.add(name);
  }
  return undefined;
}
