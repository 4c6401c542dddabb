import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Seed of the hash, sent to front ends in `debugInfo`. */
export const HASH_SEED = 0xc70f6907;
const MULTIPLIER = 0x5bd1e995;

/** MurmurHash2 (32 bits) over the UTF-8 bytes of a text, as Jupyter's debugger front ends compute it. */
export function murmur2(text: string, seed = HASH_SEED): number {
  const bytes = new TextEncoder().encode(text);
  let hash = seed ^ bytes.length;
  let at = 0;
  for (; bytes.length - at >= 4; at += 4) {
    let block = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    block = Math.imul(block, MULTIPLIER);
    block ^= block >>> 24;
    block = Math.imul(block, MULTIPLIER);
    hash = Math.imul(hash, MULTIPLIER) ^ block;
  }
  const left = bytes.length - at;
  if (left > 0) {
    for (let i = left - 1; i >= 0; i--) hash ^= bytes[at + i]! << (8 * i);
    hash = Math.imul(hash, MULTIPLIER);
  }
  hash ^= hash >>> 13;
  hash = Math.imul(hash, MULTIPLIER);
  hash ^= hash >>> 15;
  return hash >>> 0;
}

/** The names under which cells are known to the engine and the debugger: `prefix + hash + suffix`. */
export const cellFilePrefix = join(tmpdir(), `fovea_${process.pid}`, 'cell_');
export const cellFileSuffix = '.ts';

/** Script file name of a cell with this source; the file is written only when a debugger requests it. */
export function cellFile(source: string): string {
  return `${cellFilePrefix}${murmur2(source)}${cellFileSuffix}`;
}
