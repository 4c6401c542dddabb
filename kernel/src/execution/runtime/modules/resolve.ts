import { readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, resolve as resolvePath } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** Extensions that may be left out of a local path, in order of preference. */
const extensions = ['.ts', '.tsx', '.mts', '.cts', '.js', '.mjs', '.cjs', '.json'];
/** What TypeScript writes for a file that is still TypeScript. */
const written: Readonly<Record<string, readonly string[]>> = {
  '.js': ['.ts', '.tsx'],
  '.mjs': ['.mts'],
  '.cjs': ['.cts'],
};

/** Packages that come with this kernel, and that every notebook can import whatever is installed beside it. */
const ownPackages = ['@fovea/engine', '@fovea/kernel'];

// The thread of module hooks has no `import.meta.resolve`; these packages' entries are the same for `require`.
const require = createRequire(import.meta.url);

/** Folders whose files are the kernel's own: their modules must stay the very ones that the kernel runs. */
const ownFolders = [
  new URL('../../../../', import.meta.url).href,
  pathToFileURL(`${dirname(require.resolve('@fovea/engine/package.json'))}/`).href,
];

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
    !ownFolders.some((folder) => url.startsWith(folder))
  );
}

export function isLocal(specifier: string): boolean {
  return /^(?:\.{1,2}(?:\/|$)|\/|file:)/.test(specifier);
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
  const extension = /\.[cm]?js$/.exec(path)?.[0];
  const candidates = [
    ...(extension ? written[extension]!.map((other) => path.slice(0, -extension.length) + other) : []),
    ...extensions.map((other) => path + other),
    ...extensions.map((other) => resolvePath(path, `index${other}`)),
  ];
  return candidates.find(isFile);
}

interface Seen {
  readonly stamp: string;
  readonly imports: readonly string[];
}

const files = new Map<string, Seen>();
const imported = /(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)(['"])(\.{1,2}\/[^'"\n]*)\1/g;

/** A text that changes when a file does; `undefined` when there is none. */
export function stampOf(path: string): string | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat && `${stat.mtimeMs.toString(36)}-${stat.size.toString(36)}`;
}

/**
 * A text that changes when a file, or any local file that it imports, has changed; as part of a module's
 * address it makes an edited file load anew.
 */
export function version(path: string, visited = new Set<string>()): string {
  if (visited.has(path)) return '';
  visited.add(path);
  const stamp = stampOf(path);
  if (stamp === undefined) return '';
  let seen = files.get(path);
  if (seen?.stamp !== stamp) {
    const code =
      /\.(?:[cm]?[jt]s|tsx)$/.test(path) && statSync(path).size < 1_000_000 ? readFileSync(path, 'utf8') : '';
    seen = { stamp, imports: [...code.matchAll(imported)].map((match) => match[2]!) };
    files.set(path, seen);
  }
  let newest = `${stamp}`;
  for (const specifier of seen.imports) {
    const file = localFile(specifier, dirname(path));
    if (file) newest += version(file, visited);
  }
  return newest;
}

/** The address of a local file, with its version. */
export function localUrl(path: string): string {
  const url = pathToFileURL(path).href;
  if (!isUserModule(url)) return url;
  const text = version(path);
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(hash, 31) + text.charCodeAt(i)) | 0;
  return `${url}?v=${(hash >>> 0).toString(36)}`;
}
