import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HttpError } from './http/errors.js';
import { json } from './http/reply.js';
import type { Router } from './http/router.js';
import { staticFile } from './http/static.js';
import { dataFolders } from './jupyter-paths.js';

/** A `kernel.json`, as Jupyter defines it. */
export interface KernelSpec {
  readonly argv: readonly string[];
  readonly display_name: string;
  readonly language: string;
  readonly interrupt_mode?: 'signal' | 'message';
  readonly env?: Readonly<Record<string, string>>;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly kernel_protocol_version?: string;
}

/** A kernelspec and where it lives. */
export interface InstalledSpec {
  readonly name: string;
  readonly spec: KernelSpec;
  /** Folder with the logos. */
  readonly folder: string;
}

/** Name of Fovea's own kernelspec. */
export const FOVEA_KERNEL = 'fovea';

/** Folder with the logos of Fovea's kernelspec. */
export const LOGO_FOLDER = fileURLToPath(new URL('../../resources/kernelspec', import.meta.url));

/**
 * How this installation is started. Paths are absolute, since Jupyter may start the kernel with another PATH than the
 * shell's.
 */
export const FOVEA_COMMAND: readonly string[] = [
  process.execPath,
  fileURLToPath(new URL('../../bin/fovea.js', import.meta.url)),
];

/** Fovea's own kernelspec for this installation. */
export function foveaSpec(): KernelSpec {
  return {
    argv: [...FOVEA_COMMAND, 'kernel', '-f', '{connection_file}'],
    display_name: 'Fovea (TypeScript)',
    language: 'typescript',
    interrupt_mode: 'message',
    kernel_protocol_version: '5.5',
    metadata: { debugger: true, supported_encryption: ['curve'] },
  };
}

function isKernelSpec(value: unknown): value is KernelSpec {
  const spec = value as KernelSpec | null;
  return (
    typeof spec === 'object' &&
    spec !== null &&
    Array.isArray(spec.argv) &&
    spec.argv.length > 0 &&
    spec.argv.every((argument) => typeof argument === 'string') &&
    typeof spec.display_name === 'string' &&
    typeof spec.language === 'string'
  );
}

/**
 * Whether a kernel can be started as a process on this machine. The specs of gateways name who starts it elsewhere:
 * `metadata.kernel_provisioner` (Jupyter) or `metadata.process_proxy` (Enterprise Gateway).
 */
function startsHere({ metadata = {} }: KernelSpec): boolean {
  const { kernel_provisioner: provisioner, process_proxy: proxy } = metadata as {
    kernel_provisioner?: { provisioner_name?: string };
    process_proxy?: { class_name?: string };
  };
  const isLocal = (provisioner?.provisioner_name ?? 'local-provisioner') === 'local-provisioner';
  return isLocal && (proxy?.class_name ?? 'LocalProcessProxy').endsWith('LocalProcessProxy');
}

/** Finds kernelspecs where every Jupyter looks, Fovea's own always among them and first. */
export class KernelSpecs {
  /**
   * @param folders folders that hold one folder a kernelspec; Jupyter's own search path unless given. Specs are
   *   read again at each request: one may be installed while the lab runs.
   */
  constructor(
    private readonly folders: () => readonly string[] = () =>
      dataFolders().map((folder) => join(folder, 'kernels')),
  ) {}

  /** All kernelspecs by name; of two with one name, the first found. */
  async all(): Promise<ReadonlyMap<string, InstalledSpec>> {
    const found = new Map<string, InstalledSpec>([
      [FOVEA_KERNEL, { name: FOVEA_KERNEL, spec: foveaSpec(), folder: LOGO_FOLDER }],
    ]);
    for (const folder of this.folders()) {
      const names = await readdir(folder).catch(() => []);
      for (const entry of names.sort()) {
        const name = entry.toLowerCase();
        if (found.has(name) || !/^[a-z0-9._-]+$/.test(name)) continue;
        const spec = await readFile(join(folder, entry, 'kernel.json'), 'utf8')
          .then((text) => JSON.parse(text) as unknown)
          .catch(() => undefined);
        if (isKernelSpec(spec) && startsHere(spec))
          found.set(name, { name, spec, folder: join(folder, entry) });
      }
    }
    return found;
  }

  /** @throws HttpError 404 for a name that is not installed */
  async get(name: string): Promise<InstalledSpec> {
    const all = await this.all();
    const spec = all.get(name);
    if (!spec) throw new HttpError(404, `No such kernel: ${name}; there are ${[...all.keys()].join(', ')}`);
    return spec;
  }

  /** Adds the routes below `/api/kernelspecs` and `/kernelspecs`. */
  register(router: Router): void {
    router.on('GET', '/api/kernelspecs', async () => {
      const all = await this.all();
      const models = await Promise.all(
        [...all.values()].map(async (spec) => [spec.name, await model(spec, router)]),
      );
      return json({ default: FOVEA_KERNEL, kernelspecs: Object.fromEntries(models) });
    });
    router.on('GET', '/api/kernelspecs/:name', async (call) =>
      json(await model(await this.get(call.params.name!), router)),
    );
    router.on('GET', '/kernelspecs/:name/:file', async (call) => {
      const { folder } = await this.get(call.params.name!);
      return staticFile(call.request, folder, call.params.file!, {
        'Cache-Control': 'private, max-age=3600',
        'Content-Security-Policy': "default-src 'none'; style-src 'unsafe-inline'; sandbox",
      });
    });
  }
}

async function model({ name, spec, folder }: InstalledSpec, router: Router) {
  const files = existsSync(folder) ? await readdir(folder) : [];
  const resources: Record<string, string> = {};
  for (const file of files.filter((entry) => entry.startsWith('logo-'))) {
    const path = `/kernelspecs/${encodeURIComponent(name)}/${encodeURIComponent(file)}`;
    resources[parse(file).name] = router.link(path);
  }
  return { name, spec: { env: {}, metadata: {}, interrupt_mode: 'signal', ...spec }, resources };
}
