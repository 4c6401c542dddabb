/** Names further away than this many edits are others, not slips. */
const MOST_EDITS = 3;
/** So many are offered when several are as near. */
const MOST_OFFERED = 3;
/** What is longer is no name. */
const MOST_LETTERS = 200;

/**
 * The end of a message that refuses a name: which of the known ones was probably meant.
 *
 * @param name what was given; what is no string is near to nothing
 * @param known names that are accepted
 * @returns `; did you mean mobilenet_v2?`, or nothing where no name is near
 */
export function didYouMean(name: unknown, known: Iterable<string>): string {
  const near = typeof name === 'string' ? nearest(name, [...new Set(known)]) : [];
  if (near.length === 0) return '';
  const last = near.length > 1 ? ` or ${near.at(-1)}` : '';
  return `; did you mean ${near.slice(0, last ? -1 : 1).join(', ')}${last}?`;
}

/** The names with the fewest edits; upper case, dashes, dots and underscores are none. */
function nearest(name: string, known: readonly string[]): string[] {
  const wanted = bare(name);
  if (wanted.length < 2 || wanted.length > MOST_LETTERS) return [];
  let least = MOST_EDITS;
  let near: string[] = [];
  for (const each of known) {
    const candidate = bare(each);
    const edits = candidate.startsWith(wanted) && wanted.length > 2 ? 1 : editsBetween(wanted, candidate);
    // A name of which more than a third differs is another name.
    const isSame = candidate === wanted;
    if (!isSame && 3 * edits > Math.max(candidate.length, wanted.length)) continue;
    const rank = isSame ? 0 : edits;
    if (rank > least) continue;
    if (rank < least) near = [];
    least = rank;
    near.push(each);
  }
  return near.slice(0, MOST_OFFERED);
}

const bare = (name: string) => name.toLowerCase().replace(/[^\p{L}\p{N}]/gu, '');

/** Least number of letters to insert, remove, replace, or swap with their neighbour (optimal string alignment). */
function editsBetween(from: string, to: string): number {
  if (Math.abs(from.length - to.length) > MOST_EDITS) return Number.POSITIVE_INFINITY;
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = last[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      row[j] = Math.min(last[j]! + 1, row[j - 1]! + 1, replaced);
      const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (isSwap) row[j] = Math.min(row[j]!, beforeLast[j - 2]! + 1);
    }
    [beforeLast, last] = [last, row];
  }
  return last[to.length]!;
}
