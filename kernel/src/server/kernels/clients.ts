import { LRUCache } from 'lru-cache';
import type { KeptMessages } from './kept-messages.js';
import { type Channel, type Message, parseHeader } from './message.js';

/** One front end's connection to a kernel. */
export interface KernelClient {
  /** Names the front end over reconnects; its messages carry it too. */
  readonly session: string;
  /** What was delivered and is not known to have arrived. */
  readonly unconfirmed: KeptMessages;
  /** @param isRepeat whether it was sent to an earlier connection of this front end, and may have arrived */
  deliver(message: Message, isRepeat?: boolean): void;
  /** Ends the connection, because the kernel has ended. */
  close(): void;
  /** Ends a connection that leads nowhere. */
  abandon(): void;
  /**
   * Says that its front end has connected again: resolves when this connection has ended, or seems to lead nowhere. A
   * connection that its front end has closed may be heard of after the next one.
   */
  succeeded(): Promise<void>;
}

const KEPT_ABSENCES = 8;

/**
 * The front ends of one kernel. Broadcasts go to all, answers to the one that asked. When a front end's connection
 * breaks, what is meant for it is kept for its return, so that a cell's output survives a loss of network or a night
 * of a closed laptop. Most often neither side notices at once: what was sent since the last sign of life is kept too.
 */
export class KernelClients {
  private readonly connected = new Set<KernelClient>();
  private readonly absent = new LRUCache<string, KeptMessages>({ max: KEPT_ABSENCES });

  /** How many connections are open. */
  get size(): number {
    return this.connected.size;
  }

  /**
   * Takes a connection in, and delivers what it missed since its last one broke. Others that are missing may still
   * return: every page that is opened connects to all kernels for a moment.
   */
  add(client: KernelClient): void {
    const missed = this.takeMissed(client.session);
    this.connected.add(client);
    for (const message of missed) client.deliver(message, true);
  }

  /** The open connection of a front end. */
  of(session: string): KernelClient | undefined {
    return [...this.connected].find((client) => session !== '' && client.session === session);
  }

  private takeMissed(session: string): Iterable<Message> {
    // The front end has noticed first that its connection is broken.
    const before = this.of(session);
    if (before) {
      this.remove(before, true);
      before.abandon();
    }
    const missed = this.absent.get(session);
    this.absent.delete(session);
    return missed ?? [];
  }

  /**
   * Takes a connection out.
   * @param broken whether it ended without the front end's will, so that a return is expected
   */
  remove(client: KernelClient, broken: boolean): void {
    if (!this.connected.delete(client) || !broken || client.session === '') return;
    this.absent.set(client.session, client.unconfirmed);
  }

  /** Passes a kernel's message to those it is for. */
  deliver(message: Message): void {
    const session = message.channel === 'iopub' ? undefined : askedBy(message);
    for (const client of this.connected) {
      if (session === undefined || client.session === session || client.session === '') {
        client.deliver(message);
      }
    }
    for (const [absentSession, absence] of this.absent) {
      if (session === undefined || session === absentSession) absence.add(message);
    }
  }

  /** Forgets what was kept: it belongs to a kernel that has ended. */
  forgetMissed(): void {
    for (const absence of this.absent.values()) absence.clear();
    for (const client of this.connected) client.unconfirmed.clear();
  }

  /** Ends all connections. */
  close(): void {
    for (const client of this.connected) client.close();
    this.connected.clear();
    this.absent.clear();
  }
}

/** The session that an answer is for; undefined when the answer names none: then all sessions get it. */
function askedBy(message: Message): string | undefined {
  return parseHeader(message.parent).session || undefined;
}

/** The channels that a front end may send on. */
export function isRequestChannel(name: unknown): name is Exclude<Channel, 'iopub'> {
  return name === 'shell' || name === 'control' || name === 'stdin';
}
