import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HttpError } from '../http/errors.js';
import type { Router } from '../http/router.js';
import { FOREVER, staticFile } from '../http/static.js';

/** A prebuilt labextension, as its own package.json describes it. */
export interface Labextension {
  readonly name: string;
  readonly version: string;
  readonly folder: string;
  /** What the page needs to load it. */
  readonly federated: {
    readonly name: string;
    readonly load: string;
    readonly extension?: string;
    readonly mimeExtension?: string;
    readonly style?: string;
  };
  /** Plugins that this extension replaces. */
  readonly disabledExtensions: readonly string[];
}

interface PackageData {
  readonly name: string;
  readonly version: string;
  readonly jupyterlab?: {
    readonly _build?: Omit<Labextension['federated'], 'name'>;
    readonly disabledExtensions?: readonly string[];
  };
}

const namesIn = (folder: string): string[] => {
  try {
    return readdirSync(folder).sort();
  } catch {
    return [];
  }
};

function readOne(folder: string): Labextension | undefined {
  let data: PackageData;
  try {
    data = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as PackageData;
  } catch {
    return undefined;
  }
  const build = data.jupyterlab?._build;
  if (!build) return undefined;
  const { load, extension, mimeExtension, style } = build;
  return {
    name: data.name,
    version: data.version,
    folder,
    federated: {
      name: data.name,
      load,
      ...(extension ? { extension } : {}),
      ...(mimeExtension ? { mimeExtension } : {}),
      ...(style ? { style } : {}),
    },
    disabledExtensions: data.jupyterlab?.disabledExtensions ?? [],
  };
}

/** The prebuilt labextensions in some folders; of two with one name the first counts. */
export function findLabextensions(folders: readonly string[]): Labextension[] {
  const found = new Map<string, Labextension>();
  for (const folder of folders) {
    for (const name of namesIn(folder)) {
      const candidates = name.startsWith('@')
        ? namesIn(join(folder, name)).map((inner) => join(folder, name, inner))
        : [join(folder, name)];
      for (const candidate of candidates) {
        const extension = readOne(candidate);
        if (extension && !found.has(extension.name)) found.set(extension.name, extension);
      }
    }
  }
  return [...found.values()];
}

/** Serves the files of labextensions below `/lab/extensions`. */
export function registerLabextensions(router: Router, list: () => readonly Labextension[]): void {
  router.on('GET', '/lab/extensions/*path', (call) => {
    const path = call.params.path!;
    const extension = list().find(({ name }) => path.startsWith(`${name}/`));
    if (!extension) throw new HttpError(404, 'Not found');
    const file = path.slice(extension.name.length + 1);
    const hashed = /\.[0-9a-f]{16,}\.js$/.test(file);
    return staticFile(call.request, extension.folder, file, hashed ? { 'Cache-Control': FOREVER } : {});
  });
}
