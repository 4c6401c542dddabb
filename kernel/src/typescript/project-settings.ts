import { statSync } from 'node:fs';
import { createPathsMatcher, getTsconfig, type TsConfigResult } from 'get-tsconfig';
import { LRUCache } from 'lru-cache';

type CompilerOptions = NonNullable<TsConfigResult['config']['compilerOptions']>;

/** Settings of a project's tsconfig.json, including those that it extends. */
export interface ProjectSettings {
  /** The file; undefined where there is none. */
  readonly file: string | undefined;
  readonly options: CompilerOptions;
  /** Patterns of `paths`, each with the absolute paths that it leads to. */
  readonly paths: Readonly<Record<string, readonly string[]>>;
  /** Absolute paths that a specifier may mean by `paths` and `baseUrl`, in order; none for relative ones. */
  candidates(specifier: string): readonly string[];
  /** The pattern of `paths` that a specifier matches. */
  aliasOf(specifier: string): string | undefined;
  /** Why the file could not be read; it then counts as empty. */
  readonly problem: string | undefined;
}

interface Remembered {
  readonly settings: ProjectSettings;
  /** Stamps of the files that were read. */
  readonly stamps: ReadonlyMap<string, string>;
}

/** Folders whose settings are kept; a project's are more than a notebook imports from. */
export const KEPT_FOLDERS = 512;

const remembered = new LRUCache<string, Remembered>({ max: KEPT_FOLDERS });

/**
 * The settings that hold in a folder: those of the nearest tsconfig.json upward. They are read again when that
 * file, or one that it extends, has changed.
 */
export function settingsOf(folder: string): ProjectSettings {
  const before = remembered.get(folder);
  if (before && [...before.stamps].every(([path, stamp]) => stampOf(path) === stamp)) return before.settings;
  const cache = new Map<string, unknown>();
  const settings = read(folder, cache);
  // The cache's keys say what was asked of which file: `readFileSync:PATH:utf8`.
  const looked = new Set([...cache.keys()].map((key) => key.replace(/^\w+:|:utf8$/g, '')));
  remembered.set(folder, { settings, stamps: new Map([...looked].map((path) => [path, stampOf(path)])) });
  return settings;
}

/** A text that changes when a file does; empty when there is none. */
export function stampOf(path: string): string {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat ? `${stat.mtimeMs.toString(36)}-${stat.size.toString(36)}` : '';
}

function read(folder: string, cache: Map<string, unknown>): ProjectSettings {
  let found: TsConfigResult | null;
  try {
    found = getTsconfig(folder, 'tsconfig.json', cache);
  } catch (error) {
    return { ...noSettings, problem: (error as Error).message };
  }
  if (!found) return noSettings;
  const matcher = createPathsMatcher(found);
  const options = found.config.compilerOptions ?? {};
  // A pattern matches itself, with its star for a star.
  const paths = Object.keys(options.paths ?? {}).map((pattern) => [pattern, matcher?.(pattern) ?? []]);
  return {
    file: found.path,
    options,
    paths: Object.fromEntries(paths) as Record<string, string[]>,
    candidates: (specifier) => matcher?.(specifier) ?? [],
    aliasOf: (specifier) => Object.keys(options.paths ?? {}).find((pattern) => matches(pattern, specifier)),
    problem: undefined,
  };
}

/** Empty settings. */
export const noSettings: ProjectSettings = {
  file: undefined,
  options: {},
  paths: {},
  candidates: () => [],
  aliasOf: () => undefined,
  problem: undefined,
};

function matches(pattern: string, specifier: string): boolean {
  // `*` alone matches everything and selects nothing.
  if (pattern === '*') return false;
  const [start, end] = pattern.split('*') as [string, string | undefined];
  if (end === undefined) return specifier === pattern;
  return (
    specifier.length >= start.length + end.length && specifier.startsWith(start) && specifier.endsWith(end)
  );
}

/** How a project's TypeScript is compiled, as esbuild's `tsconfigRaw`. */
export function compilerOptions({ options }: ProjectSettings, source: string) {
  const { experimentalDecorators, jsxFactory, jsxFragmentFactory } = options;
  return {
    ...(experimentalDecorators === undefined ? {} : { experimentalDecorators }),
    useDefineForClassFields: definesFields({ options }),
    jsx: jsxOf(options, source),
    ...(jsxFactory === undefined ? {} : { jsxFactory }),
    ...(jsxFragmentFactory === undefined ? {} : { jsxFragmentFactory }),
    ...(options.jsxImportSource === undefined ? {} : { jsxImportSource: options.jsxImportSource }),
  };
}

/** Whether class fields are defined as the language does it; TypeScript's older way is to assign them. */
export function definesFields({ options }: Pick<ProjectSettings, 'options'>): boolean {
  const target = options.target?.toLowerCase();
  const year = /^es(\d{4})$/.exec(target ?? '')?.[1];
  const old = year === undefined ? /^es[356]$/.test(target ?? '') : Number(year) < 2022;
  return options.useDefineForClassFields ?? !old;
}

/**
 * By which functions JSX makes its elements. Only compiled JSX can run, so that `preserve` means what the tools that
 * take it from there make of it, and a source of these functions alone asks for the newer way.
 */
function jsxOf(
  { jsx, jsxImportSource, jsxFactory }: CompilerOptions,
  source: string,
): 'react' | 'react-jsx' | 'react-jsxdev' {
  const classic = /@jsxRuntime\s+classic\b/.test(source);
  if (jsx === 'react-jsx' || jsx === 'react-jsxdev') return jsx;
  const sourced = jsxImportSource !== undefined || /@jsxImportSource\s+\S/.test(source);
  const preserved = (jsx === 'preserve' || jsx === 'react-native') && jsxFactory === undefined;
  return !classic && (sourced || preserved) ? 'react-jsx' : 'react';
}
