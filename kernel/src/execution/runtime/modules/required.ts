import module, { createRequire } from 'node:module';
import { basename, dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { stampOf } from '../../../typescript/project-settings.js';
import { isUserModule, localFile } from './resolve.js';

interface Internals {
  load(this: NodeJS.Module, filename: string): void;
  require(this: NodeJS.Module, specifier: string): unknown;
}

const { cache } = createRequire(import.meta.url);
const { _pathCache: found } = module as unknown as { _pathCache: Record<string, string> };
/** The state of each of the user's files when `require` loaded it. */
const stamps = new Map<string, string>();

/** Modules whose code is running. */
const running = new Set<NodeJS.Module>();
/** Counts the times that something was forgotten. */
let generation = 0;

/** Records from now on which of the user's files `require` loads, at any depth, including JSON. */
export function watchRequires(): void {
  const prototype = module.prototype as unknown as Internals;
  const { load, require } = prototype;
  prototype.load = function (filename) {
    if (isUserModule(pathToFileURL(filename).href)) stamps.set(filename, stampOf(filename));
    running.add(this);
    try {
      load.call(this, filename);
    } finally {
      running.delete(this);
    }
  };
  prototype.require = function (specifier) {
    return require.call(this, (generation > 0 && unvisited(specifier, this)) || specifier);
  };
}

/**
 * Another name of a file that an `import` has entered into the cache without running it, as Node does with what a
 * CommonJS module passes on. By a name that led to the file before it was forgotten, Node would take it for a module
 * that is being loaded by this very chain of requires, and give out its empty exports.
 */
function unvisited(specifier: string, parent: NodeJS.Module): string | undefined {
  if (!/^\.{1,2}\//.test(specifier) || !isUserModule(pathToFileURL(parent.filename ?? '').href))
    return undefined;
  const filename = localFile(specifier, parent.path);
  const known = filename === undefined ? undefined : cache[filename];
  if (!known || known.loaded || running.has(known)) return undefined;
  return `${dirname(known.filename)}/${'./'.repeat(generation)}${basename(known.filename)}`;
}

/** Makes `require` reload the user's files that were edited since, and those that depend on one of them. */
export function forgetEdited(): void {
  const edited = new Set<string>();
  for (const [filename, stamp] of stamps) if (stampOf(filename) !== stamp) edited.add(filename);
  if (edited.size === 0) return;
  generation++;
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
