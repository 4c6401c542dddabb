import module, { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { isUserModule, stampOf } from './resolve.js';

interface Loadable {
  load(this: NodeJS.Module, filename: string): void;
}

const { cache } = createRequire(import.meta.url);
const { _pathCache: found } = module as unknown as { _pathCache: Record<string, string> };
/** What each of the user's files that `require` has loaded looked like then. */
const stamps = new Map<string, string | undefined>();

/** Notices from now on which of the user's files `require` loads, at any depth, JSON too. */
export function watchRequires(): void {
  const prototype = module.prototype as unknown as Loadable;
  const { load } = prototype;
  prototype.load = function (filename) {
    if (isUserModule(pathToFileURL(filename).href)) stamps.set(filename, stampOf(filename));
    load.call(this, filename);
  };
}

/** Makes `require` load anew the user's files that were edited since, and those that depend on one of them. */
export function forgetEdited(): void {
  const edited = new Set<string>();
  for (const [filename, stamp] of stamps) if (stampOf(filename) !== stamp) edited.add(filename);
  if (edited.size === 0) return;
  // A module lists what it has required itself: dependents are found when nothing more is added.
  for (let size = 0; size < edited.size; ) {
    size = edited.size;
    for (const filename of stamps.keys()) {
      if (cache[filename]?.children.some((child) => edited.has(child.filename))) edited.add(filename);
    }
  }
  for (const filename of edited) {
    stamps.delete(filename);
    delete cache[filename];
  }
  // Node remembers which file a specifier led to, and would look for one that has been removed or moved.
  for (const [request, filename] of Object.entries(found)) if (edited.has(filename)) delete found[request];
}
