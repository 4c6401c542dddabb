import { extname, join } from 'node:path';
import { Journal, type JournalContent } from '../embedded/journal.js';
import { hashIn, keptBy } from '../kept-networks.js';
import { hashesIn } from '../point.js';
import { namesIn, sweepsFolder } from './folders.js';

/** Content hashes that something refers to, some by their first digits only. */
export class References {
  readonly #hashes = new Set<string>();
  readonly #beginnings = new Set<string>();

  add(hash: string | undefined): void {
    if (hash === undefined) return;
    (hash.length === 64 ? this.#hashes : this.#beginnings).add(hash);
  }

  has(hash: string): boolean {
    return this.#hashes.has(hash) || [...this.#beginnings].some((digits) => hash.startsWith(digits));
  }
}

/** What a sweep with these records and this space refers to. */
export function addReferences(
  references: References,
  { records, space, materials }: Pick<JournalContent, 'records' | 'space' | 'materials'>,
): void {
  for (const hash of materials) references.add(hash);
  for (const model of space?.networks ?? []) references.add(hashIn(model));
  for (const { point, result } of records.values()) {
    for (const hash of hashesIn(point)) references.add(hash);
    if (result) references.add(keptBy(result));
  }
}

/**
 * What the sweeps of this machine refer to.
 * @throws FoveaError `io` when one cannot be read: what it refers to is not known then
 */
export async function referencesHere(dataFolder: string): Promise<References> {
  const folder = sweepsFolder(dataFolder);
  const references = new References();
  for (const file of await namesIn(folder)) {
    const content = extname(file) === '.jsonl' ? await Journal.read(join(folder, file)) : undefined;
    if (content) addReferences(references, content);
  }
  return references;
}
