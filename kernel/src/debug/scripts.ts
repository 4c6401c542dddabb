import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Debugger } from 'node:inspector';
import { dirname, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FoveaError } from '@fovea/engine/errors';
import { makeFolder } from '@fovea/engine/files';
import { LRUCache } from 'lru-cache';
import { cellFile, cellFilePrefix } from '../execution/cells/cell-file.js';
import { ownFolders } from '../own-folders.js';
import type { Position } from '../typescript/edits.js';

/** Characters of cells' sources that are kept: a front end hands over every cell of a notebook at every edit. */
const KEPT_CHARACTERS = 32e6;

/** Scripts of the runtime, as files: cells, and the local files that they import. */
export class Scripts {
  readonly #byId = new Map<string, string>();
  readonly #startColumns = new Map<string, number>();
  readonly #dumped = new LRUCache<string, string>({
    maxSize: KEPT_CHARACTERS,
    sizeCalculation: (code) => code.length + 1,
  });

  parsed({ scriptId, url, startColumn = 0 }: Debugger.ScriptParsedEventDataType): void {
    const path = pathOf(url);
    if (path === undefined) return;
    this.#byId.set(scriptId, path);
    if (startColumn !== 0) this.#startColumns.set(scriptId, startColumn);
  }

  clear(): void {
    this.#byId.clear();
    this.#startColumns.clear();
  }

  /** The file of a script that users can see; undefined for Node's own and the kernel's. */
  fileOf(scriptId: string, url: string): string | undefined {
    const path = this.#byId.get(scriptId) ?? pathOf(url);
    return path !== undefined && isUsers(path) ? path : undefined;
  }

  /** A location as a place in the script's own text, whose first line may not begin at column 0. */
  placeIn({ scriptId, lineNumber, columnNumber = 0 }: Debugger.Location): Position {
    const shift = lineNumber === 0 ? (this.#startColumns.get(scriptId) ?? 0) : 0;
    return { line: lineNumber, column: columnNumber - shift };
  }

  /** Files that can be stepped through. */
  files(): string[] {
    // The kernel imports in the notebook's name, by a script that goes under its file.
    const isFile = (path: string) => isCell(path) || (!path.endsWith('.ipynb') && existsSync(path));
    return [...new Set(this.#byId.values())].filter((path) => isUsers(path) && isFile(path)).sort();
  }

  /** Writes a cell's source where the engine believes it to be, for front ends that open files. */
  dumpCell(code: string): string {
    const path = cellFile(code);
    makeFolder(dirname(path), 0o700);
    writeFileSync(path, code, { mode: 0o600 });
    this.#dumped.set(path, code);
    return path;
  }

  /** @throws FoveaError `unknown-name` for a file that no script came from */
  source(path: string): string {
    const dumped = this.#dumped.get(path);
    if (dumped !== undefined) return dumped;
    if (!this.files().includes(path)) {
      throw new FoveaError('unknown-name', `no script was loaded from ${path}`);
    }
    try {
      return readFileSync(path, 'utf8');
    } catch (cause) {
      throw new FoveaError('io', `the source ${path} cannot be read`, { cause });
    }
  }
}

/** A file's name, without its folders. */
export const baseName = (path: string) => path.split(/[\\/]/).at(-1)!;

/** Whether a file is a cell. */
const isCell = (path: string) => path.startsWith(cellFilePrefix);

function isUsers(path: string): boolean {
  return (
    isCell(path) ||
    (!ownFolders.some((folder) => path.startsWith(folder)) && !/[\\/]node_modules[\\/]/.test(path))
  );
}

function pathOf(url: string): string | undefined {
  if (url.startsWith('file:')) {
    try {
      return fileURLToPath(new URL(url.replace(/[?#].*$/, '')));
    } catch {
      return undefined;
    }
  }
  return isAbsolute(url) ? url : undefined;
}

/** Patterns of scripts that stepping skips. */
export function hiddenScripts(): string[] {
  const own = ownFolders.map((folder) => escapePattern(folder.replaceAll('\\', '/')));
  return ['^node:', ...own, '/node_modules/'];
}

/** `text` as a regular expression that matches it and nothing else. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
