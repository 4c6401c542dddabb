import { isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { follow, importsOf, isLocal, packageName, userFile } from '../execution/runtime/modules/resolve.js';
import { stampOf } from '../typescript/project-settings.js';

/** A file's change, as the language server protocol has it: 1 created, 2 changed, 3 deleted. */
export interface FileEvent {
  readonly uri: string;
  readonly type: 1 | 2 | 3;
}

/**
 * The files on disk that cells import. The language server reads them once and does not look at them again unless
 * it is notified of a change.
 */
export class ImportedFiles {
  readonly #specifiers = new Set<string>();
  #stamps = new Map<string, string>();

  /** @param directory the notebook's folder */
  constructor(private readonly directory: string) {}

  /** What has changed since the last call among the files that cells so far, and this one, import. */
  changes(code: string): FileEvent[] {
    const before = this.#stamps;
    this.#stamps = new Map();
    for (const specifier of this.#specifiers) this.#follow(specifier);
    const events: FileEvent[] = [];
    for (const [path, stamp] of this.#stamps) {
      const known = before.get(path);
      if (known !== stamp)
        events.push({ uri: pathToFileURL(path).href, type: stamp === '' ? 3 : known ? 2 : 1 });
    }
    // Files that were not imported before are read by the server anyway.
    for (const specifier of importsOf(code)) {
      if (this.#specifiers.has(specifier)) continue;
      this.#specifiers.add(specifier);
      this.#follow(specifier);
    }
    return events;
  }

  #follow(specifier: string): void {
    const file = userFile(specifier, this.directory);
    if (file) follow(file.path, this.#stamps);
    else if (isLocal(specifier)) this.#note(pathOf(specifier, this.directory));
    else if (!isBuiltin(specifier)) this.#noteManifests(specifier);
  }

  /** Notes where a package, and its types, say what they are, or every place where they might once installed. */
  #noteManifests(specifier: string): void {
    for (const name of [packageName(specifier), typesOf(specifier)]) {
      const paths = manifests(name, this.directory);
      const found = paths.find((path) => stampOf(path) !== '');
      for (const path of found ? [found] : paths) this.#note(path);
    }
  }

  #note(path: string): void {
    this.#stamps.set(path, stampOf(path));
  }
}

function pathOf(specifier: string, folder: string): string {
  return specifier.startsWith('file:')
    ? fileURLToPath(specifier.replace(/[?#].*$/, ''))
    : join(folder, specifier);
}

function typesOf(specifier: string): string {
  return `@types/${packageName(specifier).replace(/^@/, '').replace('/', '__')}`;
}

/** The manifest of a package in every node_modules upward. */
function manifests(name: string, directory: string): string[] {
  const found: string[] = [];
  for (let folder = directory; ; folder = dirname(folder)) {
    found.push(join(folder, 'node_modules', name, 'package.json'));
    if (dirname(folder) === folder) return found;
  }
}
