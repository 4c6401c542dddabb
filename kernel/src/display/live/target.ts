import type { LiveReply } from './protocol.js';

/** What the live panel's end of a comm offers; the kernel's comms do. */
export interface LiveChannel {
  onMessage: ((data: unknown) => void) | undefined;
  onClose: (() => void) | undefined;
  send(data: unknown, extra?: { readonly buffers?: readonly Uint8Array[] }): void;
}

/**
 * Serves a live panel that has opened its comm. The engine is loaded only now; what the panel sends before that
 * waits. Handlers return at once, so that a run does not hold other messages up.
 *
 * @param protect does work that the interrupt of a cell must not terminate halfway
 */
export function serveLive(
  channel: LiveChannel,
  protect: <T>(work: () => Promise<T>) => Promise<T> = (work) => work(),
): void {
  const send = (reply: LiveReply, buffers: readonly Uint8Array[] = []) =>
    channel.send(reply, buffers.length > 0 ? { buffers } : {});
  const opened = protect(async () => {
    const hub = (await import('./hub.js')).liveHub();
    return { hub, session: hub.join(send) };
  });
  opened.catch((error: unknown) => {
    send({ type: 'error', message: `the live controls cannot be loaded: ${String(error)}` });
  });
  channel.onMessage = (data) => {
    void protect(async () => (await opened).session.receive(data)).catch(() => undefined);
  };
  channel.onClose = () => {
    void opened.then(({ hub, session }) => hub.leave(session)).catch(() => undefined);
  };
}
