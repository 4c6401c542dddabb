import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

function* filesBelow(path) {
  if (!existsSync(path)) return;
  if (!statSync(path).isDirectory()) {
    yield path;
    return;
  }
  for (const name of readdirSync(path).sort()) {
    if (name !== '.tsbuildinfo') yield* filesBelow(join(path, name));
  }
}

/** The locked versions of a workspace's dependencies, and of theirs in turn. */
function lockedVersions(workspace) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const wanted = (entry) => Object.keys({ ...entry.dependencies, ...entry.devDependencies });
  const found = new Map();
  const waiting = wanted(packages[workspace]);
  while (waiting.length > 0) {
    const name = waiting.pop();
    const entry = packages[`node_modules/${name}`];
    if (!entry || found.has(name)) continue;
    found.set(name, entry.version);
    waiting.push(...Object.keys({ ...entry.dependencies, ...entry.peerDependencies }));
  }
  return [...found].sort(([left], [right]) => (left < right ? -1 : 1));
}

/**
 * A hash of everything that a build depends on: the names and bytes of all files at or below the given paths, and
 * the locked versions of the packages that a workspace (`extension`, `extension/app`) draws in.
 */
export function fingerprint(paths, workspace) {
  const hash = createHash('sha256').update(JSON.stringify(lockedVersions(workspace)));
  for (const path of paths) {
    for (const file of filesBelow(path)) {
      const bytes = readFileSync(file);
      hash.update(`${relative(root, file)}\0${bytes.length}\0`).update(bytes);
    }
  }
  return hash.digest('hex');
}

/** Whether `stamp`, written by `writeStamp` after the last good build, holds this fingerprint. */
export function isUpToDate(stamp, print) {
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === print;
}

/** Records the fingerprint of what was just built. */
export function writeStamp(stamp, print) {
  mkdirSync(dirname(stamp), { recursive: true });
  writeFileSync(stamp, print);
}
