import { randomUUID } from 'node:crypto';
import { objectField, readJson, stringField } from './http/body.js';
import { HttpError } from './http/errors.js';
import { empty, json } from './http/reply.js';
import type { Call, Router } from './http/router.js';
import type { KernelPlaces } from './kernel-places.js';
import type { KernelManager } from './kernels/manager.js';

interface Session {
  readonly id: string;
  path: string;
  name: string;
  type: string;
  kernelId: string;
}

/** Sessions join a document's path to a kernel; opening the same document again finds the same kernel. */
export class SessionManager {
  private readonly sessions = new Map<string, Session>();
  /** Paths whose session is being made: two requests at once must not start two kernels. */
  private readonly starting = new Map<string, Promise<Session>>();

  constructor(
    private readonly kernels: KernelManager,
    private readonly places: KernelPlaces,
  ) {}

  /** Adds the routes below `/api/sessions`. */
  register(router: Router): void {
    const one = '/api/sessions/:id';
    router.on('GET', '/api/sessions', () => json(this.list().map((session) => this.model(session))));
    router.on('POST', '/api/sessions', async (call) => {
      const session = await this.open(await readJson(call.request));
      return json(this.model(session), 201, { Location: router.link(`/api/sessions/${session.id}`) });
    });
    router.on('GET', one, (call) => json(this.model(this.get(call))));
    router.on('PATCH', one, async (call) => {
      const session = this.get(call);
      await this.change(session, await readJson(call.request));
      return json(this.model(session));
    });
    router.on('DELETE', one, async (call) => {
      const session = this.get(call);
      this.sessions.delete(session.id);
      const shared = [...this.sessions.values()].some(({ kernelId }) => kernelId === session.kernelId);
      if (!shared) await this.kernels.shutdown(session.kernelId);
      return empty();
    });
  }

  /** The living sessions; those whose kernel was shut down otherwise are dropped on the way. */
  private list(): Session[] {
    const alive = new Set(this.kernels.list().map(({ id }) => id));
    for (const session of this.sessions.values()) {
      if (!alive.has(session.kernelId)) this.sessions.delete(session.id);
    }
    return [...this.sessions.values()];
  }

  private get(call: Call): Session {
    const session = this.list().find(({ id }) => id === call.params.id);
    if (!session) throw new HttpError(404, `Session not found: ${call.params.id}`);
    return session;
  }

  private model(session: Session) {
    const { id, path, name, type } = session;
    const kernel = this.kernels.get(session.kernelId).toModel();
    return { id, path, name, type, kernel, ...(type === 'notebook' ? { notebook: { path, name } } : {}) };
  }

  private open(body: Record<string, unknown>): Promise<Session> {
    const path = stringField(body, 'path') ?? stringField(objectField(body, 'notebook') ?? {}, 'path');
    if (path === undefined) throw new HttpError(400, 'path is missing');
    const existing = this.list().find((session) => session.path === path);
    if (existing) return Promise.resolve(existing);
    const running = this.starting.get(path);
    if (running) return running;
    const started = this.create(path, body).finally(() => this.starting.delete(path));
    this.starting.set(path, started);
    return started;
  }

  private async create(path: string, body: Record<string, unknown>): Promise<Session> {
    const session: Session = {
      id: randomUUID(),
      path,
      name: stringField(body, 'name') ?? '',
      type: stringField(body, 'type') ?? 'notebook',
      kernelId: await this.kernelFor(path, objectField(body, 'kernel') ?? {}),
    };
    this.sessions.set(session.id, session);
    return session;
  }

  private async change(session: Session, body: Record<string, unknown>): Promise<void> {
    const path = stringField(body, 'path') ?? session.path;
    const isMoved = path !== session.path;
    session.path = path;
    session.name = stringField(body, 'name') ?? session.name;
    session.type = stringField(body, 'type') ?? session.type;
    // A console's path is a name of its own, beside the document whose kernel it may share.
    if (isMoved && session.type !== 'console')
      this.kernels.get(session.kernelId).moveTo(await this.places.of(path));
    const kernel = objectField(body, 'kernel');
    if (!kernel || (kernel.id === undefined && kernel.name === undefined)) return;
    const next = await this.kernelFor(session.path, kernel);
    if (!this.sessions.has(session.id)) {
      // Ended in the meantime: a kernel that was started for it would be nobody's.
      if (kernel.id === undefined) await this.kernels.shutdown(next).catch(() => undefined);
      throw new HttpError(404, `Session not found: ${session.id}`);
    }
    // Looked at only now: another request may have changed the kernel too.
    const before = session.kernelId;
    session.kernelId = next;
    const used = this.list().some(({ kernelId }) => kernelId === before);
    if (!used && before !== next) await this.kernels.shutdown(before).catch(() => undefined);
  }

  /** The kernel that a body names by id, or a new one of the kind that it names. */
  private async kernelFor(path: string, kernel: Record<string, unknown>): Promise<string> {
    const id = stringField(kernel, 'id');
    if (id !== undefined) return this.kernels.get(id).id;
    return (await this.kernels.start(stringField(kernel, 'name'), await this.places.of(path))).id;
  }
}
