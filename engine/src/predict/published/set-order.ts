/** Neighbouring slots that are tried before jumping. */
const probes = 9;
/** Bits by which the key's high part is brought in at each jump. */
const shift = 5;

/**
 * Distinct small non-negative integers in the order in which CPython iterates a set made from them. The
 * published simulator loops over such sets and lets the first of equals win, so its figures depend on this
 * order; it is ascending until a value reaches the table's size (8, 32, 128 …), where it wraps.
 * @param values integers from 0 to 2^31 − 1, in the order of insertion
 */
export function setOrder(values: readonly number[]): number[] {
  let table: (number | undefined)[] = new Array(8).fill(undefined);
  let filled = 0;
  for (const value of values) {
    if (!insert(table, value)) continue;
    filled++;
    if (filled * 5 < (table.length - 1) * 3) continue;
    let size = 8;
    while (size <= filled * 4) size *= 2;
    const larger: (number | undefined)[] = new Array(size).fill(undefined);
    for (const kept of table) if (kept !== undefined) insert(larger, kept);
    table = larger;
  }
  return table.filter((value): value is number => value !== undefined);
}

/** Puts `value` into the first free slot of its probe sequence; false when it is there already. */
function insert(table: (number | undefined)[], value: number): boolean {
  const mask = table.length - 1;
  let slot = value & mask;
  let perturbation = value;
  for (;;) {
    const last = slot + probes <= mask ? slot + probes : slot;
    for (let i = slot; i <= last; i++) {
      if (table[i] === value) return false;
      if (table[i] === undefined) {
        table[i] = value;
        return true;
      }
    }
    perturbation >>>= shift;
    slot = (slot * 5 + 1 + perturbation) & mask;
  }
}
