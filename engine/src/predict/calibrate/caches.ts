import { existsSync, readFileSync } from 'node:fs';
import type { Caches } from '../program-cost/describer.js';

/** Where the operating system does not say: sizes that most machines have at least. */
const fallback: Caches = { nearBytes: 512 * 2 ** 10, farBytes: 8 * 2 ** 20 };

const units: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };

/** Cache sizes as Linux lists them; `fallback` elsewhere. */
export function readCaches(folder = '/sys/devices/system/cpu/cpu0/cache'): Caches {
  const sizes = new Map<number, number>();
  for (let index = 0; existsSync(`${folder}/index${index}/size`); index++) {
    const read = (file: string) => readFileSync(`${folder}/index${index}/${file}`, 'utf8').trim();
    if (read('type') === 'Instruction') continue;
    const match = /^(\d+)([KMG]?)$/.exec(read('size'));
    if (match) sizes.set(Number(read('level')), Number(match[1]) * units[match[2]!]!);
  }
  const nearBytes = sizes.get(2) ?? fallback.nearBytes;
  return { nearBytes, farBytes: Math.max(sizes.get(3) ?? fallback.farBytes, nearBytes) };
}
