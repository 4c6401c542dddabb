import { dataFolder } from '@fovea/engine/internal';
import type { StoreItem, SweepBackend } from '../backend.js';
import type { StoredKind } from './folders.js';
import { type KeptFor, type KeptItem, pruneStored } from './prune.js';
import type { StoredItem } from './stored.js';

/** Something that sweeps store, on this machine or on a queue. */
export interface ListedItem {
  /** `queued`: in the store of a queue. */
  readonly kind: StoredKind | 'queued';
  readonly sha256: string;
  readonly bytes: number;
  /** On this machine. */
  readonly path?: string;
  /** When it was made or used last on this machine, ISO 8601. */
  readonly usedAt?: string;
  /** Why it stays. */
  readonly keptFor?: KeptFor;
  /** The queue that stores it, or whose sweep it is kept for. */
  readonly queue?: string;
  /** The process that uses it. */
  readonly usedBy?: string;
}

/** What was removed, or would be, and what stays. */
export interface Pruned {
  readonly removed: readonly ListedItem[];
  readonly kept: readonly ListedItem[];
}

/**
 * Removes what no sweep refers to on this machine and, where the sweeps are on a queue, in its store.
 * @param options `dryRun`: removes nothing; `all`: as `pruneStored`; `among`: whether something may be removed at all
 * @throws FoveaError as `pruneStored`
 */
export async function pruneEverywhere(
  backend: SweepBackend,
  {
    dryRun,
    all = false,
    among = () => true,
  }: { readonly dryRun: boolean; readonly all?: boolean; readonly among?: (item: ListedItem) => boolean },
): Promise<Pruned> {
  const { queue } = backend;
  const inStore = ({ sha256, bytes }: StoreItem): ListedItem => ({
    ...{ kind: 'queued', sha256, bytes },
    ...(queue === undefined ? {} : { queue }),
  });
  const sweeps = async () => (await backend.list()).map(({ name }) => name);
  const here = await pruneStored(dataFolder(), {
    ...{ dryRun, all, among: (item: StoredItem) => among(listed(item)) },
    queue: queue === undefined ? undefined : { name: queue, sweeps },
  });
  const there = await backend.pruneStore({ dryRun, among: (item) => among(inStore(item)) });
  return {
    removed: [...here.removed.map(listed), ...there.removed.map(inStore)],
    kept: [
      ...here.kept.map(listed),
      ...there.kept.map((item) => ({ ...inStore(item), keptFor: 'sweep' as const })),
    ],
  };
}

function listed({ usedMs, stamp: _, ...item }: StoredItem | KeptItem): ListedItem {
  return { ...item, usedAt: new Date(usedMs).toISOString() };
}
