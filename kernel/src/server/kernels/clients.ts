import { LRUCache } from 'lru-cache';
import { type Channel, type Message, parseHeader } from './message.js';

/** One front end's connection to a kernel. */
export interface KernelClient {
  /** Names the front end over reconnects; its messages carry it too. */
  readonly session: string;
  deliver(message: Message): void;
  /** Ends the connection, because the kernel has ended. */
  close(): void;
}

/** What is kept for a front end that lost its connection, until it comes back. */
interface Absence {
  readonly messages: Message[];
  bytes: number;
}

const KEPT_BYTES = 16 * 2 ** 20;
const KEPT_ABSENCES = 8;

/**
 * The front ends of one kernel. Broadcasts go to all, answers to the one that asked. When a front end's connection
 * breaks, what is meant for it is kept for its return, so that a cell's output survives a short loss of
 * network or a night of a closed laptop.
 */
export class KernelClients {
  private readonly connected = new Set<KernelClient>();
  private readonly absent = new LRUCache<string, Absence>({ max: KEPT_ABSENCES });

  /** How many connections are open. */
  get size(): number {
    return this.connected.size;
  }

  /** Takes a connection in, and delivers what it missed since its last one broke. */
  add(client: KernelClient): void {
    const missed = this.absent.get(client.session);
    // A new front end where others are missing is a reloaded page: those it replaces do not return.
    if (missed) this.absent.delete(client.session);
    else this.absent.clear();
    this.connected.add(client);
    for (const message of missed?.messages ?? []) client.deliver(message);
  }

  /**
   * Takes a connection out.
   * @param broken whether it ended without the front end's will, so that a return is expected
   */
  remove(client: KernelClient, broken: boolean): void {
    if (!this.connected.delete(client) || !broken || client.session === '') return;
    if ([...this.connected].some(({ session }) => session === client.session)) return;
    this.absent.set(client.session, { messages: [], bytes: 0 });
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
      if (session === undefined || session === absentSession) keep(absence, message);
    }
  }

  /** Forgets what was kept: it belongs to a kernel that has ended. */
  forgetMissed(): void {
    for (const absence of this.absent.values()) {
      absence.messages.length = 0;
      absence.bytes = 0;
    }
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

function keep(absence: Absence, message: Message): void {
  const size = [message.header, message.parent, message.content, ...message.buffers].reduce(
    (sum, part) => sum + part.length,
    0,
  );
  if (absence.bytes + size > KEPT_BYTES) return;
  absence.bytes += size;
  absence.messages.push(message);
}

/** The channels that a front end may send on. */
export function isRequestChannel(name: unknown): name is Exclude<Channel, 'iopub'> {
  return name === 'shell' || name === 'control' || name === 'stdin';
}
