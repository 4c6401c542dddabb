import { stat } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';

/** Whether two paths lead to one file, which need not exist yet. */
export async function isSameFile(a: string, b: string): Promise<boolean> {
  if (resolve(a) === resolve(b)) return true;
  const [one, other] = await Promise.all([a, b].map((path) => stat(path).catch(() => undefined)));
  if (one && other) return one.dev === other.dev && one.ino === other.ino;
  if (one || other || basename(a) !== basename(b)) return false;
  return isSameFile(dirname(a), dirname(b));
}
