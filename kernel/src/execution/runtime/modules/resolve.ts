import { readFileSync, statSync } from 'node:fs';
import { createRequire, isBuiltin } from 'node:module';
import { dirname, resolve as resolvePath } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { ownFolders } from '../../../own-folders.js';
import { FileMemo } from '../../../typescript/file-memo.js';
import { isCompiled } from '../../../typescript/module.js';
import { settingsOf, stampOf } from '../../../typescript/project-settings.js';
import { versioned } from '../../module-version.js';

/** Extensions that may be left out of a local path, in order of preference. */
const extensions = ['.ts', '.tsx', '.mts', '.cts', '.js', '.jsx', '.mjs', '.cjs', '.json'];
/** What TypeScript writes for a file that is still TypeScript. */
const written: Readonly<Record<string, readonly string[]>> = {
  '.js': ['.ts', '.tsx'],
  '.mjs': ['.mts'],
  '.cjs': ['.cts'],
  '.jsx': ['.tsx'],
};

/** Packages that come with this kernel, and that every notebook can import whatever is installed beside it. */
const ownPackages = ['@fovea/engine', '@fovea/kernel'];

// The thread of module hooks has no `import.meta.resolve`; these packages' entries are the same for `require`.
const require = createRequire(import.meta.url);

/** A cell must get the same instances of the kernel's own modules as the kernel. */
const ownAddresses = ownFolders.map((folder) => pathToFileURL(folder).href);

/** The address of one of this kernel's own packages; `undefined` for any other specifier. */
export function ownPackage(specifier: string): string | undefined {
  return ownPackages.some((name) => specifier === name || specifier.startsWith(`${name}/`))
    ? pathToFileURL(require.resolve(specifier)).href
    : undefined;
}

/** Whether modules at this address are the user's own files, which change while the kernel runs. */
export function isUserModule(url: string): boolean {
  return (
    url.startsWith('file:') &&
    !url.includes('/node_modules/') &&
    !ownAddresses.some((folder) => url.startsWith(folder))
  );
}

export function isLocal(specifier: string): boolean {
  return /^(?:\.{1,2}(?:\/|$)|\/|file:)/.test(specifier);
}

/** The package that a specifier belongs to. */
export function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** The file that a local specifier means: as written, as TypeScript, with an extension, or a folder's index. */
export function localFile(specifier: string, folder: string): string | undefined {
  const path = specifier.startsWith('file:')
    ? fileURLToPath(specifier.replace(/[?#].*$/, ''))
    : resolvePath(folder, specifier);
  if (isFile(path)) return path;
  const extension = /\.(?:[cm]?js|jsx)$/.exec(path)?.[0];
  const candidates = [
    ...(extension ? written[extension]!.map((other) => path.slice(0, -extension.length) + other) : []),
    ...extensions.map((other) => path + other),
    ...extensions.map((other) => resolvePath(path, `index${other}`)),
  ];
  return candidates.find(isFile);
}

/** A file that a specifier means, with what the specifier says after it. */
export interface UserFile {
  readonly path: string;
  /** `?query#fragment` */
  readonly suffix: string;
}

/**
 * The user's own file that a specifier means: a local one, or one that an alias of the folder's tsconfig.json leads
 * to. As in TypeScript, what `baseUrl` leads to comes before packages.
 */
export function userFile(specifier: string, folder: string): UserFile | undefined {
  const suffix = isLocal(specifier) ? (/[?#].*$/.exec(specifier)?.[0] ?? '') : '';
  if (isLocal(specifier)) {
    const path = localFile(specifier.slice(0, specifier.length - suffix.length), folder);
    return path === undefined ? undefined : { path, suffix };
  }
  if (isBuiltin(specifier)) return undefined;
  for (const candidate of settingsOf(folder).candidates(specifier)) {
    const path = localFile(candidate, folder);
    // Aliases of declarations are for the type checker: what runs is the package of that name.
    if (path !== undefined && !/\.d\.[cm]?ts$/.test(path) && isUserModule(pathToFileURL(path).href))
      return { path, suffix };
  }
  return undefined;
}

const specifiers = new FileMemo<readonly string[]>();
const imported = /(?:\bfrom\s*|\bimport\s*(?:\(\s*)?|\brequire\s*\(\s*)(['"])([^'"\n]+)\1/g;

/** What a source seems to import, as its specifiers say it. */
export function importsOf(code: string): string[] {
  return [...code.matchAll(imported)].map((match) => match[2]!);
}

/** Adds to `files` a file of the user's, and all of the user's files that it leads to, with their stamps. */
export function follow(path: string, files: Map<string, string>): void {
  if (files.has(path)) return;
  const stamp = stampOf(path);
  files.set(path, stamp);
  if (stamp === '') return;
  const imports = specifiers.get(path, stamp, () => {
    const isCode = /\.(?:[cm]?[jt]s|[jt]sx)$/.test(path) && statSync(path).size < 1_000_000;
    return isCode ? importsOf(readFileSync(path, 'utf8')) : [];
  });
  for (const specifier of imports) {
    const file = userFile(specifier, dirname(path));
    if (file) follow(file.path, files);
  }
}

/**
 * A text that changes when a file, or any of the user's files that it imports, has changed; as part of a module's
 * address it makes an edited file load again.
 */
export function version(path: string): string {
  const files = new Map<string, string>();
  follow(path, files);
  // What the settings say is part of what a module is.
  const settings = isCompiled(path) ? JSON.stringify(settingsOf(dirname(path)).options) : '';
  return [...files.values()].join('') + settings;
}

/** The address of one of the user's files, with its version. */
export function userUrl({ path, suffix }: UserFile): string {
  const url = pathToFileURL(path).href;
  if (!isUserModule(url)) return url + suffix;
  const text = version(path);
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  const address = versioned(url, (hash >>> 0).toString(36));
  // Node resolves an address made by this function once more.
  if (`${url}${suffix}`.startsWith(address)) return `${url}${suffix}`;
  return address + suffix.replace(/^\?/, '&');
}
