import { describeHolder } from '@fovea/engine/files';
import { forgetQueued, queuedSweeps } from './queued.js';
import { References, referencesHere } from './references.js';
import { listStored, removeRemains, removeStored, type StoredItem } from './stored.js';
import { usesNow, whileNobodyBegins } from './use.js';

/** Why something stored stays: a sweep of this machine or of a queue refers to it, or a process uses it now. */
export type KeptFor = 'sweep' | 'queue' | 'use';

export interface KeptItem extends StoredItem {
  readonly keptFor: KeptFor;
  /** The queue whose sweep it is kept for. */
  readonly queue?: string;
  /** The process that uses it, as messages name it; left out where that has used it since it was listed. */
  readonly usedBy?: string;
}

/** A queue that can be asked which sweeps it has. */
export interface AskedQueue {
  readonly name: string;
  readonly sweeps: () => Promise<readonly string[]>;
}

export interface PruneOptions {
  /** Removes nothing, and says what would be removed. */
  readonly dryRun?: boolean;
  /** Whether something may be removed at all; all may when left out. */
  readonly among?: (item: StoredItem) => boolean;
  /** What is kept only for sweeps that this queue has no more is removed as well. */
  readonly queue?: AskedQueue | undefined;
  /** Removes also what is kept only for sweeps on queues, without asking these. */
  readonly all?: boolean;
}

export interface PruneResult {
  readonly removed: readonly StoredItem[];
  readonly kept: readonly KeptItem[];
}

/**
 * Removes what sweeps have stored on this machine and none of them refers to any more.
 * @throws FoveaError `bad-argument` while another process does, `io` when something cannot be read or removed
 */
export function pruneStored(dataFolder: string, options: PruneOptions = {}): Promise<PruneResult> {
  if (options.dryRun) return judgeStored(dataFolder, options);
  return whileNobodyBegins(dataFolder, async () => {
    removeRemains(dataFolder);
    const result = await judgeStored(dataFolder, options);
    const [removed, kept]: [StoredItem[], KeptItem[]] = [[], [...result.kept]];
    for (const item of result.removed) {
      if (await removeStored(item)) removed.push(item);
      else kept.push({ ...item, keptFor: 'use' });
    }
    return { removed, kept };
  });
}

/** What may go, and what stays and why. */
async function judgeStored(dataFolder: string, options: PruneOptions): Promise<PruneResult> {
  const { among = () => true } = options;
  const uses = await usesNow(dataFolder);
  // Listed before the references are read: a sweep that is under way refers to what it has made after that.
  const items = await listStored(dataFolder);
  const here = await referencesHere(dataFolder);
  const queues = await referencesOfQueues(dataFolder, options);
  const [removed, kept]: [StoredItem[], KeptItem[]] = [[], []];
  for (const item of items) {
    // What was fetched from a queue can be fetched again.
    const isCopy = item.kind === 'materials';
    const queue = queues.find(([, references]) => references.has(item.sha256))?.[0];
    if (!isCopy && here.has(item.sha256)) kept.push({ ...item, keptFor: 'sweep' });
    else if (!isCopy && queue !== undefined) kept.push({ ...item, keptFor: 'queue', queue });
    else {
      const use = uses.find((one) => one.may(item));
      if (use) kept.push({ ...item, keptFor: 'use', usedBy: describeHolder(use.holder) });
      else if (among(item)) removed.push(item);
    }
  }
  return { removed, kept };
}

/** What the sweeps of each queue refer to, as far as it is known here; notes of those that are gone are dropped. */
async function referencesOfQueues(
  dataFolder: string,
  { dryRun, queue: asked, all }: PruneOptions,
): Promise<(readonly [queue: string, References])[]> {
  const noted = await queuedSweeps(dataFolder);
  // Asked after the notes were read: a note is made when its sweep is there.
  const there = asked && new Set(await asked.sweeps());
  const found = new Map<string, References>();
  for (const { queue, sweep, hashes } of noted) {
    const isAsked = queue === asked?.name;
    if (isAsked ? !there!.has(sweep) : all) {
      if (!dryRun) await forgetQueued(dataFolder, queue, sweep);
      continue;
    }
    const references = found.get(queue) ?? new References();
    for (const hash of hashes) references.add(hash);
    found.set(queue, references);
  }
  return [...found];
}
