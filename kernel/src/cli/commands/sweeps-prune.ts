import type { Command } from 'commander';
import { formatBytes } from '../../display/format-number.js';
import { counted } from '../../presentation/index.js';
import type { SweepBackend } from '../../sweep/backend.js';
import { shortName } from '../../sweep/kept-networks.js';
import { type ListedItem, type Pruned, pruneEverywhere } from '../../sweep/storage/prune-everywhere.js';
import { confirm } from '../options/confirm.js';
import { asTable, printJson } from '../options/parse.js';
import { withBackend } from '../options/with-backend.js';

interface PruneCommandOptions {
  readonly queue?: string;
  readonly all?: boolean;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly json?: boolean;
}

/** `fovea sweeps prune`: shows what sweeps store, and removes what none refers to. */
export function registerPrune(sweeps: Command): void {
  sweeps
    .command('prune')
    .description(
      'Show what sweeps store beside their records, and remove what no sweep refers to: networks that fit and adapt made, lists of images, and copies of what a queue has. What a running sweep or worker uses stays.',
    )
    .option('--dry-run', 'remove nothing, and show what would be removed')
    .option(
      '--queue <url>',
      'look at this queue as well: removes what it stores, and what this machine keeps, for sweeps that it no longer has',
    )
    .option('--all', 'also remove what this machine keeps only for sweeps on other queues')
    .option('--yes', 'remove without asking')
    .option('--json', 'print one JSON document and nothing else')
    .action((options: PruneCommandOptions) => withBackend(options, (backend) => prune(backend, options)));
}

async function prune(backend: SweepBackend, options: PruneCommandOptions): Promise<void> {
  const { all = false, dryRun = false, yes = false, json = false } = options;
  const found = await pruneEverywhere(backend, { dryRun: true, all });
  if (!json) process.stdout.write(asText(found));
  const count = found.removed.length;
  if (dryRun || count === 0) {
    if (json) printJson({ dryRun, ...found });
    return;
  }
  const them = count === 1 ? 'it' : 'them';
  const question = `${counted(count, 'file')} of ${totalOf(found.removed)} will be removed`;
  await confirm(question, yes, {
    ...{ ask: `Remove ${them}?`, yesDoes: `removes ${them}`, declined: 'nothing was removed' },
  });
  // Nothing beyond what was asked about, whatever has lost its sweep since.
  const asked = new Set(found.removed.map(keyOf));
  const pruned = await pruneEverywhere(backend, {
    ...{ dryRun: false, all, among: (item: ListedItem) => asked.has(keyOf(item)) },
  });
  if (json) {
    printJson({ dryRun, ...pruned });
    return;
  }
  process.stdout.write(removalText(pruned.removed, true));
  // Used since it was listed, or by a sweep that has begun to refer to it.
  const spared = reasons(pruned.kept.filter((item) => asked.has(keyOf(item))));
  if (spared.length > 0) process.stdout.write(`${spared.join('\n')}\n`);
}

const keyOf = ({ kind, sha256 }: ListedItem): string => `${kind} ${sha256}`;

const totalOf = (items: readonly ListedItem[]): string =>
  formatBytes(items.reduce((sum, { bytes }) => sum + bytes, 0));

/** What has been removed, or is left to be. */
export function removalText(items: readonly ListedItem[], isDone: boolean): string {
  const files = `${counted(items.length, 'stored file')} (${totalOf(items)})`;
  const are = items.length === 1 ? 'is' : 'are';
  return isDone
    ? `${files} ${are} removed\n`
    : `${files} that no sweep refers to any more ${are} left: fovea sweeps prune removes ${items.length === 1 ? 'it' : 'them'}\n`;
}

/** More removable files than this are not named one by one. */
const mostNamed = 20;

/** How each kind is called: a heading, and one of it. */
const words: Readonly<Record<ListedItem['kind'], readonly [heading: string, one: string]>> = {
  networks: ['networks of fit and adapt', 'network'],
  manifests: ['lists of images', 'list of images'],
  materials: ['copies from queues', 'copy from a queue'],
  queued: ['stored on the queue', 'on the queue'],
};

/** What is stored, by kind, and what of it may be removed. */
function asText({ removed, kept }: Pruned): string {
  const kinds = Object.keys(words) as ListedItem['kind'][];
  const rows = kinds.flatMap((kind) => {
    const lists = [kept, removed].map((items) => items.filter((item) => item.kind === kind));
    if (lists.every(({ length }) => length === 0)) return [];
    return [[words[kind][0], ...lists.flatMap((items) => [String(items.length), totalOf(items)])]];
  });
  if (rows.length === 0) return 'sweeps store nothing beside their records\n';
  const lines = [asTable([['', 'kept', 'size', 'removable', 'size'], ...rows])];
  for (const { kind, sha256, bytes, usedAt } of removed.slice(0, mostNamed)) {
    const used = usedAt === undefined ? '' : `, used last on ${usedAt.slice(0, 10)}`;
    lines.push(`removable: ${words[kind][1]} ${shortName(sha256)}, ${formatBytes(bytes)}${used}`);
  }
  if (removed.length > mostNamed)
    lines.push(`removable: ${removed.length - mostNamed} more (--json names all)`);
  lines.push(...reasons(kept));
  return `${lines.join('\n')}\n`;
}

/** Why what is kept is. */
function reasons(kept: readonly ListedItem[]): string[] {
  const byReason = new Map<string, ListedItem[]>();
  for (const item of kept) byReason.set(reasonOf(item), [...(byReason.get(reasonOf(item)) ?? []), item]);
  return [...byReason].map(([reason, items]) => {
    const it = items.length === 1 ? 'it' : 'them';
    return `kept: ${counted(items.length, 'file')} (${totalOf(items)}), as ${reason} ${it}`;
  });
}

function reasonOf({ keptFor, queue, usedBy }: ListedItem): string {
  if (keptFor === 'use') return `${usedBy ?? 'a process'}, a sweep or worker that runs, may use`;
  return `sweeps ${queue === undefined ? 'of this machine' : `on the queue ${queue}`} refer to`;
}
