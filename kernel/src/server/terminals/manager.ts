import type { IPty } from '@lydell/node-pty';
import { readOptionalJson, stringField } from '../http/body.js';
import { HttpError } from '../http/errors.js';
import { empty, json } from '../http/reply.js';
import type { Router } from '../http/router.js';
import type { KernelPlaces } from '../kernel-places.js';
import { Terminal } from './terminal.js';

type StartPty = (folder: string) => IPty;

/** More at a time than this can only be a programming error. */
const MOST_TERMINALS = 50;

/** How to start a shell, where node-pty has a build for the platform: it has them for the common ones only. */
async function findPty(): Promise<StartPty | undefined> {
  const pty = await import('@lydell/node-pty').catch(() => undefined);
  if (!pty) return undefined;
  const isWindows = process.platform === 'win32';
  const shell = isWindows ? 'powershell.exe' : (process.env.SHELL ?? '/bin/sh');
  const name = 'xterm-256color';
  return (folder) =>
    pty.spawn(shell, [], {
      name,
      cwd: folder,
      cols: 80,
      rows: 24,
      env: { ...process.env, TERM: name, COLORTERM: 'truecolor' },
    });
}

/** The running terminals of the lab. */
export class TerminalManager {
  private readonly terminals = new Map<string, Terminal>();

  private constructor(
    private readonly places: KernelPlaces,
    private readonly start: StartPty | undefined,
    /** Why there are none. */
    private readonly absence: string,
  ) {}

  /** @param enabled whether the lab offers terminals, where they can be had */
  static async open(places: KernelPlaces, enabled: boolean): Promise<TerminalManager> {
    const start = enabled ? await findPty() : undefined;
    const absence = enabled
      ? 'node-pty has no build for this platform'
      : 'they are switched off; fovea lab --terminals switches them on';
    return new TerminalManager(places, start, absence);
  }

  /** Whether terminals can be opened. */
  get isAvailable(): boolean {
    return this.start !== undefined;
  }

  /** @throws HttpError 404 for a terminal that does not exist */
  get(name: string): Terminal {
    const terminal = this.terminals.get(name);
    if (!terminal) throw new HttpError(404, `Terminal not found: ${name}`);
    return terminal;
  }

  /** Adds the routes below `/api/terminals`. */
  register(router: Router): void {
    router.on('GET', '/api/terminals', () =>
      json([...this.terminals.values()].map((terminal) => terminal.toModel())),
    );
    router.on('POST', '/api/terminals', async (call) => {
      const body = (await readOptionalJson(call.request)) ?? {};
      return json((await this.create(stringField(body, 'name'), stringField(body, 'cwd') ?? '')).toModel());
    });
    router.on('GET', '/api/terminals/:name', (call) => json(this.get(call.params.name!).toModel()));
    router.on('DELETE', '/api/terminals/:name', async (call) => {
      await this.get(call.params.name!).end();
      return empty();
    });
  }

  /** Ends all terminals. */
  async dispose(): Promise<void> {
    await Promise.all([...this.terminals.values()].map((terminal) => terminal.end()));
  }

  private async create(given: string | undefined, path: string): Promise<Terminal> {
    if (!this.start) throw new HttpError(404, `There are no terminals here: ${this.absence}`);
    if (given !== undefined && !/^[\w.-]{1,64}$/.test(given)) {
      throw new HttpError(400, `Terminal ${given}: letters, digits and . - _ are accepted, 64 at most`);
    }
    const { folder } = await this.places.of(path);
    if (this.terminals.size >= MOST_TERMINALS) {
      throw new HttpError(409, `There are ${MOST_TERMINALS} terminals already: close one`);
    }
    let number = 1;
    while (given === undefined && this.terminals.has(String(number))) number += 1;
    const name = given ?? String(number);
    if (this.terminals.has(name)) throw new HttpError(409, `There is a terminal ${name} already`);
    const terminal = new Terminal(name, this.start(folder));
    this.terminals.set(name, terminal);
    void terminal.ended.then(() => this.terminals.delete(name));
    return terminal;
  }
}
