/** What a convolution pass is made of: units are output pixels, or squares of them. */
export interface PassUnits {
  readonly units: number;
  /** Units of the whole map. */
  readonly whole: number;
  /** True when `units` is an expectation. */
  readonly expected: boolean;
  /** Units that a thread works on at a time. */
  readonly together: number;
  /** Calls that a pass over the whole map is made in. */
  readonly calls: number;
  readonly panels: number;
}

/** How a pass is cut up and shared out among threads. */
export interface PassItems {
  readonly units: number;
  readonly calls: number;
  /** Blocks of units. */
  readonly blocks: number;
  /** Parts that a block's panels are shared out in: small maps have too few blocks to go round. */
  readonly parts: number;
  /** Items that threads take: blocks times parts. */
  readonly count: number;
  /** Register tiles of one panel. */
  readonly tiles: number;
  /** Units that are made ready, once for every part. */
  readonly prepared: number;
  /** Share of the work that the thread which finishes last has done. */
  readonly share: number;
}

/**
 * Counts the items of a pass. Of an exact number of units, as the loops do; of an expected one, in proportion to
 * what the whole map has, but at least one of everything: that is monotone, and meets the whole map at its end.
 */
export function passItems(given: PassUnits, tileRows: number, threads: number): PassItems {
  if (!given.expected || given.units >= given.whole) return exactItems(given, tileRows, threads);
  const { units, whole, panels } = given;
  const all = exactItems({ ...given, units: whole }, tileRows, threads);
  const scale = units / whole;
  const calls = Math.max(1, all.calls * scale);
  const blocks = Math.max(calls, all.blocks * scale);
  const tiles = Math.max(1, all.tiles * scale);
  const wanted = wantedItems(threads);
  const parts = Math.min(panels, Math.max(1, (all.parts * all.blocks) / blocks), Math.max(1, wanted));
  return {
    units,
    calls,
    blocks,
    parts,
    count: blocks * parts,
    tiles,
    prepared: units * parts,
    share: all.share,
  };
}

/** Items that threads should find in a call, and fewest units of a block that is made for the sake of that. */
const wantedItems = (threads: number) => (threads === 1 ? 1 : 4 * threads);
const fewUnits = 24;

/** Blocks of a call, and parts of each: `share_items` in engine/native/infer/convolve.cc. */
function itemsOfCall(units: number, { together, panels }: PassUnits, threads: number) {
  const fewest = Math.max(1, Math.ceil(units / together));
  if (threads === 1) return { blocks: fewest, parts: 1 };
  const even = Math.ceil(fewest / threads) * threads;
  const blocks = units >= even * fewUnits ? even : fewest;
  const wanted = Math.min(panels, Math.max(1, Math.ceil(wantedItems(threads) / blocks)));
  for (let parts = wanted; parts < 2 * wanted; parts++) if (panels % parts === 0) return { blocks, parts };
  return { blocks, parts: wanted };
}

function exactItems(given: PassUnits, tileRows: number, threads: number): PassItems {
  const { units } = given;
  const calls = Math.max(1, Math.min(given.calls, Math.ceil(units)));
  const ofCall = itemsOfCall(units / calls, given, threads);
  const { parts } = ofCall;
  const items = ofCall.blocks * parts;
  const blocks = calls * ofCall.blocks;
  return {
    units,
    calls,
    blocks,
    parts,
    count: blocks * parts,
    tiles: blocks * Math.ceil(units / blocks / tileRows),
    prepared: units * parts,
    // Of the thread that takes one item more than others may.
    share: Math.ceil(items / threads) / items,
  };
}
