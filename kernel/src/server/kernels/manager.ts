import { readOptionalJson, stringField } from '../http/body.js';
import { HttpError } from '../http/errors.js';
import { empty, json } from '../http/reply.js';
import type { Router } from '../http/router.js';
import type { KernelPlaces } from '../kernel-places.js';
import type { KernelSpecs } from '../kernelspecs.js';
import { FOVEA_KERNEL } from '../kernelspecs.js';
import { Kernel } from './kernel.js';
import type { OutputLimits } from './output-limits.js';

/** What all kernels of a server share. */
export interface KernelManagerOptions {
  /** Folder that kernels without a notebook work in. */
  readonly folder: string;
  readonly runtimeFolder: string;
  readonly limits?: OutputLimits;
  readonly log?: (line: string) => void;
}

/** All running kernels. None is ended for being idle: a person decides when a result may go. */
export class KernelManager {
  private readonly kernels = new Map<string, Kernel>();
  /** Those that are being ended. */
  private readonly endings = new Set<Promise<void>>();
  private disposed = false;

  constructor(
    private readonly specs: KernelSpecs,
    private readonly options: KernelManagerOptions,
  ) {}

  list(): Kernel[] {
    return [...this.kernels.values()];
  }

  /** @throws HttpError 404 for a kernel that does not exist */
  get(id: string): Kernel {
    const kernel = this.kernels.get(id);
    if (!kernel) throw new HttpError(404, `Kernel does not exist: ${id}`);
    return kernel;
  }

  /**
   * Starts a kernel.
   * @param name kernelspec's name; Fovea's own unless given
   * @param place `folder`: where it works; `sessionName`: path of the notebook, passed to the kernel
   * @throws HttpError 501 for a kernelspec that is not installed, 503 once all kernels have been ended
   */
  async start(
    name: string = FOVEA_KERNEL,
    place: { folder?: string; sessionName?: string } = {},
  ): Promise<Kernel> {
    const spec = (await this.specs.all()).get(name);
    if (!spec) throw new HttpError(501, `No such kernel: ${name}`);
    // Requests that had begun go on while the server ends.
    if (this.disposed) throw new HttpError(503, 'The server is shutting down');
    const { runtimeFolder, limits, log } = this.options;
    const kernel = new Kernel(spec, {
      folder: place.folder ?? this.options.folder,
      root: this.options.folder,
      runtimeFolder,
      sessionName: place.sessionName,
      ...(limits ? { limits } : {}),
      ...(log ? { log } : {}),
    });
    this.kernels.set(kernel.id, kernel);
    try {
      await kernel.start();
    } catch (error) {
      this.kernels.delete(kernel.id);
      throw error;
    }
    return kernel;
  }

  /** Ends a kernel and forgets it. */
  async shutdown(id: string): Promise<void> {
    const kernel = this.get(id);
    this.kernels.delete(id);
    const ending = kernel.shutdown();
    this.endings.add(ending);
    await ending.finally(() => this.endings.delete(ending));
  }

  /** Ends all kernels; no other is started any more. */
  async dispose(): Promise<void> {
    this.disposed = true;
    const before = [...this.endings];
    await Promise.all([...before, ...[...this.kernels.keys()].map((id) => this.shutdown(id))]);
  }

  /** Adds the routes below `/api/kernels`. */
  register(router: Router, places: KernelPlaces): void {
    const one = '/api/kernels/:id';
    router.on('GET', '/api/kernels', () => json(this.list().map((kernel) => kernel.toModel())));
    router.on('POST', '/api/kernels', async (call) => {
      const body = (await readOptionalJson(call.request)) ?? {};
      const path = stringField(body, 'path');
      const place = path === undefined ? {} : { folder: (await places.of(path)).folder };
      const kernel = await this.start(stringField(body, 'name'), place);
      return json(kernel.toModel(), 201, { Location: router.link(`/api/kernels/${kernel.id}`) });
    });
    router.on('GET', one, (call) => json(this.get(call.params.id!).toModel()));
    router.on('DELETE', one, async (call) => {
      await this.shutdown(call.params.id!);
      return empty();
    });
    router.on('POST', `${one}/interrupt`, (call) => {
      this.get(call.params.id!).interrupt();
      return empty();
    });
    router.on('POST', `${one}/restart`, async (call) => {
      const kernel = this.get(call.params.id!);
      await kernel.restart();
      return json(kernel.toModel());
    });
  }
}
