import { lstat, realpath, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { putContent, removeAbandoned } from '@fovea/engine/files';

/** Documents are saved often, and a folder may hold many files: it is looked through at most once in this time. */
const tidyMs = 60_000;
const tidiedAt = new Map<string, number>();

/** Removes what labs that were killed while they saved have left in a folder. */
function tidy(folder: string): void {
  const now = performance.now();
  if (now - (tidiedAt.get(folder) ?? Number.NEGATIVE_INFINITY) < tidyMs) return;
  for (const [other, at] of tidiedAt) if (now - at >= tidyMs) tidiedAt.delete(other);
  tidiedAt.set(folder, now);
  removeAbandoned(folder);
}

/**
 * Saves a file so that it holds either the old bytes or all of the new ones, whatever fails in between: a full
 * disk, a crash, a lost power supply. A symbolic link is written through, unless `replaceLink`, and permissions
 * are kept.
 * @throws the file system's own error; the old file is then untouched and nothing is left behind
 */
export async function saveAtomically(
  file: string,
  data: Buffer | string,
  { replaceLink = false }: { replaceLink?: boolean } = {},
): Promise<void> {
  const isLink = replaceLink && (await lstat(file).catch(() => undefined))?.isSymbolicLink();
  if (isLink) await rm(file);
  const target = replaceLink ? file : await realpath(file).catch(() => file);
  tidy(dirname(target));
  await putContent(target, data);
}
