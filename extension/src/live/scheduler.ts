import type { LiveRequest, LiveState } from './protocol';

/** The two clock functions that are used; a test brings its own. */
export interface Clock {
  setTimeout(callback: () => void, ms: number): number;
  clearTimeout(id: number): void;
}

export interface SchedulerOptions {
  send(request: LiveRequest): void;
  /** How long the controls rest before a measured run. */
  readonly runDelayMs: () => number;
  /** Whether runs are to be repeated in this browser. */
  readonly inBrowser?: () => boolean;
  /** Called when a run has begun, was given up, or has ended. */
  onRunning(running: boolean): void;
  readonly clock?: Clock;
}

/** An answer that has not come by then is not waited for any longer; when it comes all the same, it counts. */
const LOST_MS = 15_000;

/**
 * Decides when to send which request. Predictions: one in flight, followed by the latest state. Measured runs: one,
 * after the controls have rested; a change gives up the run under way.
 */
export class Scheduler {
  private serial = 0;
  private inFlight: number | undefined;
  /** The prediction that was asked for last, if its answer has not come. */
  private newest: number | undefined;
  private pending: LiveState | undefined;
  private running: number | undefined;
  private lost: number | undefined;
  private rest: number | undefined;
  private readonly clock: Clock;

  constructor(private readonly options: SchedulerOptions) {
    this.clock = options.clock ?? {
      setTimeout: (callback, ms) => window.setTimeout(callback, ms),
      clearTimeout: (id) => window.clearTimeout(id),
    };
  }

  /** Whether a prediction is awaited. */
  get waiting(): boolean {
    return this.inFlight !== undefined;
  }

  /** Asks for a prediction now or as soon as the one in flight is answered, and for a run after a rest. */
  change(state: LiveState, andRun: boolean): void {
    this.pending = state;
    this.flush();
    this.stopRun();
    if (andRun) this.rest = this.clock.setTimeout(() => this.run(state), this.options.runDelayMs());
  }

  /** Runs at once. */
  run(state: LiveState): void {
    this.stopRun();
    this.serial += 1;
    this.running = this.serial;
    this.options.onRunning(true);
    const inBrowser = this.options.inBrowser?.() ? { inBrowser: true } : {};
    this.options.send({ type: 'run', serial: this.serial, state, ...inBrowser });
  }

  /** Measures the machine; like a run it can be stopped, and has progress. */
  calibrate(): void {
    this.stopRun();
    this.serial += 1;
    this.running = this.serial;
    this.options.onRunning(true);
    this.options.send({ type: 'calibrate', serial: this.serial });
  }

  /** Asks for code. @returns the serial number that the answer carries. */
  code(state: LiveState): number {
    this.serial += 1;
    this.options.send({ type: 'code', serial: this.serial, state });
    return this.serial;
  }

  /** Asks for a piece of a network's file. @returns the serial number that the answer carries. */
  piece(network: string, key: string, offset: number): number {
    this.serial += 1;
    this.options.send({ type: 'network', serial: this.serial, network, key, offset });
    return this.serial;
  }

  /** Gives up a run, and one that is about to begin. */
  stopRun(): void {
    if (this.rest !== undefined) this.clock.clearTimeout(this.rest);
    this.rest = undefined;
    if (this.running === undefined) return;
    this.running = undefined;
    this.options.send({ type: 'cancel' });
    this.options.onRunning(false);
  }

  /** An answer to a prediction has come. @returns whether it is that to the latest request. */
  predicted(serial: number): boolean {
    if (serial !== this.newest) return false;
    this.newest = undefined;
    if (serial === this.inFlight) this.land();
    return true;
  }

  /** @returns whether a progress report belongs to the run under way. */
  isRunning(serial: number): boolean {
    return serial === this.running;
  }

  /** A run has ended. @returns whether it is the one under way. */
  finished(serial: number): boolean {
    if (serial !== this.running) return false;
    this.running = undefined;
    this.options.onRunning(false);
    return true;
  }

  /** A request failed; without a number, whatever is under way did. */
  failed(serial: number | undefined): void {
    if (serial === undefined || serial === this.running) {
      if (this.running !== undefined) this.finished(this.running);
    }
    if (this.inFlight !== undefined && (serial === undefined || serial === this.inFlight)) this.land();
  }

  /** Forgets everything that is under way: the comm is gone. */
  reset(): void {
    if (this.rest !== undefined) this.clock.clearTimeout(this.rest);
    if (this.lost !== undefined) this.clock.clearTimeout(this.lost);
    this.rest = undefined;
    this.lost = undefined;
    this.inFlight = undefined;
    this.newest = undefined;
    this.pending = undefined;
    if (this.running !== undefined) {
      this.running = undefined;
      this.options.onRunning(false);
    }
  }

  private land(): void {
    if (this.lost !== undefined) this.clock.clearTimeout(this.lost);
    this.lost = undefined;
    this.inFlight = undefined;
    this.flush();
  }

  private flush(): void {
    if (this.inFlight !== undefined || !this.pending) return;
    const state = this.pending;
    this.pending = undefined;
    this.serial += 1;
    this.inFlight = this.serial;
    this.newest = this.serial;
    this.lost = this.clock.setTimeout(() => this.land(), LOST_MS);
    this.options.send({ type: 'predict', serial: this.serial, state });
  }
}
