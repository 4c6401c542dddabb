import type { Session } from '../backends/backend.js';
import { unlessAborted } from '../unless-aborted.js';

/** A session that one run has for itself. */
export interface LentSession {
  readonly opening: Promise<Session>;
  /** To be called when the run begins to wait for a masker; what it returns, when it no longer waits. */
  onWait(): () => void;
  /** To be called when the run has ended. */
  giveBack(): void;
}

interface KeptSession {
  readonly key: string;
  readonly opening: Promise<Session>;
  isLent: boolean;
  /** How many maskers its run waits for; others may have another session meanwhile. */
  waitingFor: number;
}

interface Waiter {
  readonly key: string;
  readonly open: () => Promise<Session>;
  take(session: LentSession): void;
}

/** Sessions that are kept, of all keys together. */
const MOST_KEPT = 4;
/** Sessions of one key that are in use together. */
const MOST_OF_A_KEY = 4;

/**
 * One network's sessions, which are lent to a run each. Runs of a key take turns; while all that have a session wait for
 * maskers, the next is given another one, as long as there may be one more: a masker may wait for a run that somebody else
 * starts.
 */
export class KeptSessions {
  /** In the order of last use. */
  readonly #kept = new Set<KeptSession>();
  #waiters: Waiter[] = [];
  #closed = false;

  /**
   * A session of that key, now if one is free or may be opened.
   * @throws FoveaError `aborted` while it waits
   */
  lend(
    key: string,
    open: () => Promise<Session>,
    signal: AbortSignal | undefined,
  ): LentSession | Promise<LentSession> {
    const session = this.#find(key, open);
    if (session) return this.#lent(session);
    let waiter: Waiter;
    const waiting = new Promise<LentSession>((take) => {
      waiter = { key, open, take };
      this.#waiters.push(waiter);
    });
    if (!signal) return waiting;
    const wait = unlessAborted(waiting, signal);
    wait.catch(() => {
      const at = this.#waiters.indexOf(waiter);
      if (at >= 0) this.#waiters.splice(at, 1);
      else void waiting.then((lent) => lent.giveBack());
    });
    return wait;
  }

  /** Frees all sessions: those that are in use once the runs asked for before have ended. */
  async close(): Promise<void> {
    this.#closed = true;
    await Promise.allSettled(this.#giveUpIdle());
  }

  #find(key: string, open: () => Promise<Session>): KeptSession | undefined {
    const same = [...this.#kept].filter((session) => session.key === key);
    const free = same.find(({ isLent }) => !isLent);
    if (free) return free;
    if (same.length === MOST_OF_A_KEY || same.some(({ waitingFor }) => waitingFor === 0)) return undefined;
    const opened: KeptSession = {
      key,
      opening: new Promise((resolve) => resolve(open())),
      isLent: false,
      waitingFor: 0,
    };
    opened.opening.catch(() => this.#kept.delete(opened));
    return opened;
  }

  #lent(session: KeptSession): LentSession {
    session.isLent = true;
    this.#kept.delete(session);
    this.#kept.add(session);
    this.#giveUpIdle();
    return {
      opening: session.opening,
      onWait: () => {
        session.waitingFor++;
        this.#serve(session.key);
        return () => {
          session.waitingFor--;
        };
      },
      giveBack: () => {
        session.isLent = false;
        this.#serve(session.key);
        this.#giveUpIdle();
      },
    };
  }

  /** Gives sessions to those that wait for one of that key, in their order, as far as there are. */
  #serve(key: string): void {
    for (;;) {
      const at = this.#waiters.findIndex((waiter) => waiter.key === key);
      if (at < 0) return;
      const { open, take } = this.#waiters[at]!;
      const session = this.#find(key, open);
      if (!session) return;
      this.#waiters.splice(at, 1);
      take(this.#lent(session));
    }
  }

  /** Disposes of those that have not been used for longest, of more than are kept. What is in use would only be opened again. */
  #giveUpIdle(): Promise<void>[] {
    const disposals: Promise<void>[] = [];
    for (const session of this.#kept) {
      if (this.#kept.size <= (this.#closed ? 0 : MOST_KEPT)) break;
      if (session.isLent) continue;
      this.#kept.delete(session);
      disposals.push(session.opening.then((opened) => opened.dispose()).catch(() => undefined));
    }
    return disposals;
  }
}
