import { show } from '../cell-output.js';
import { type LibraryContents, LiveLibrary } from './library.js';
import { LiveSession, type Send } from './session.js';

/** All live panels of this process: they choose from one library. */
class LiveHub {
  readonly #library = new LiveLibrary(process.cwd());
  readonly #sessions = new Set<LiveSession>();

  /** A session for a panel that has connected. */
  join(send: Send): LiveSession {
    const session = new LiveSession(this.#library, send);
    this.#sessions.add(session);
    return session;
  }

  leave(session: LiveSession): void {
    session.dispose();
    this.#sessions.delete(session);
  }

  /** Adds networks to what panels offer, and notifies open panels. */
  async add(contents: LibraryContents): Promise<void> {
    this.#library.add(contents);
    await Promise.all([...this.#sessions].map((session) => session.sendCatalogue()));
  }

  get panels(): number {
    return this.#sessions.size;
  }
}

/** One place for every copy of this module that a process may have loaded. */
const key = Symbol.for('fovea.live-hub');
type Holder = { [key]?: LiveHub };

/** The hub of this process. */
export function liveHub(): LiveHub {
  const holder = globalThis as Holder;
  holder[key] ??= new LiveHub();
  return holder[key];
}

/**
 * Offers networks of one's own in the live panel: choose S, strategy and masks with sliders, see the
 * prediction at once and the run a moment later.
 *
 *     const network = await loadNetwork('mine.onnx');
 *     await fovea.live({ networks: { network } });
 *
 * @param contents `networks`: by the names of their variables, which inserted code then uses
 * @throws FoveaError `bad-argument` for a name that is no variable's, and for other fields than `networks`
 */
export async function live(contents: LibraryContents = {}): Promise<void> {
  const hub = liveHub();
  await hub.add(contents);
  const own = Object.keys(contents.networks ?? {});
  const text =
    (own.length === 0 ? '' : `${own.join(', ')}: now among the panel’s networks. `) +
    (hub.panels > 0
      ? 'The live panel is open.'
      : 'Open the Fovea panel at the right to use the live controls.');
  show({ data: { 'text/plain': text }, metadata: {} });
}
