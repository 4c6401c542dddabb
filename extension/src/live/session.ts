import type { Kernel } from '@jupyterlab/services';
import type { LatencyProfile, MasksDocument } from '../documents/types';
import { preferences } from '../preferences';
import { type Connection, LiveClient } from './client';
import type { LiveCatalogue, LiveReply, LiveState } from './protocol';
import { Scheduler } from './scheduler';
import { normalized } from './state';

/** What changed, so that a view redraws no more than it must. */
export type Change = 'connection' | 'catalogue' | 'state' | 'prediction' | 'run' | 'result' | 'message';

export interface Prediction {
  readonly profile: LatencyProfile;
  readonly dense: LatencyProfile;
  /** From the request to the answer. */
  readonly roundTripMs: number;
}

export interface Result {
  readonly masks: MasksDocument;
  readonly measured: LatencyProfile;
  readonly predicted: LatencyProfile;
  /** All dense, measured in turns with it. */
  readonly dense: LatencyProfile;
  /** The state that was run. */
  readonly state: LiveState;
}

/** A prediction that takes longer is said to be awaited; a faster one would only make the panel flicker. */
const SLOW_MS = 600;

/** Everything that the panel knows of one notebook's kernel: its model, kept while another notebook is in front. */
export class LiveSession {
  catalogue: LiveCatalogue | undefined;
  state: LiveState | undefined;
  prediction: Prediction | undefined;
  result: Result | undefined;
  /** The run under way, 0…1 done; undefined when there is none. */
  progress: { readonly fraction: number; readonly name: string } | undefined;
  /** Whether what is under way measures the machine, not the network. */
  isCalibrating = false;
  /** Whether a prediction has been awaited for longer than it should take. */
  isSlow = false;
  /** What went wrong last, in the kernel's words. */
  problem: string | undefined;
  /** Whether a run follows when the controls rest. */
  autoRun = true;
  onChange: (change: Change) => void = () => undefined;

  private readonly client: LiveClient;
  private readonly scheduler: Scheduler;
  private readonly codes = new Map<number, { resolve(source: string): void; reject(error: Error): void }>();
  private sentAt = 0;
  private slow: number | undefined;
  private ranState: LiveState | undefined;

  constructor(readonly kernel: Kernel.IKernelConnection) {
    this.scheduler = new Scheduler({
      send: (request) => {
        if (request.type === 'predict') this.awaitPrediction();
        if (request.type === 'run') this.ranState = request.state;
        this.client.send(request);
      },
      runDelayMs: () => preferences.get().runDelayMs,
      onRunning: (running) => {
        if (!running) this.isCalibrating = false;
        this.progress = running ? { fraction: 0, name: '' } : undefined;
        this.onChange('run');
      },
    });
    this.client = new LiveClient(kernel, {
      onConnection: (connection) => this.onConnection(connection),
      onReply: (reply) => this.onReply(reply),
      onMalformed: (error) => this.fail(`The kernel sent something that cannot be read. ${error.message}`),
    });
  }

  dispose(): void {
    this.onChange = () => undefined;
    window.clearTimeout(this.slow);
    this.scheduler.reset();
    this.rejectCodes('The panel was closed.');
    this.client.dispose();
  }

  get connection(): Connection {
    return this.client?.connection ?? 'starting';
  }

  /** Whether a prediction is awaited. */
  get waiting(): boolean {
    return this.scheduler.waiting;
  }

  /** What is predicted for the controls as they stand: for the masks themselves once a run has found them. */
  get predicted(): LatencyProfile | undefined {
    return this.isCurrent && this.result ? this.result.predicted : this.prediction?.profile;
  }

  /** Whether the result shown belongs to the controls as they stand. */
  get isCurrent(): boolean {
    return this.result !== undefined && this.result.state === this.state;
  }

  /** Whether the result was over the image that is chosen, by the network that is chosen. */
  get isCurrentImage(): boolean {
    const ran = this.result?.state;
    return ran !== undefined && ran.image === this.state?.image && ran.network === this.state?.network;
  }

  /** Changes some controls: a prediction is asked for now, a run when they rest. */
  change(patch: Partial<LiveState>): void {
    if (!this.catalogue || !this.state) return;
    this.state = normalized(this.catalogue, { ...this.state, ...patch });
    this.problem = undefined;
    this.remember();
    this.scheduler.change(this.state, this.autoRun);
    this.onChange('state');
  }

  /** Runs now. */
  run(): void {
    if (this.state) this.scheduler.run(this.state);
  }

  /** Measures this machine, and predicts for it from then on. */
  calibrate(): void {
    this.problem = undefined;
    this.scheduler.stopRun();
    this.isCalibrating = true;
    this.scheduler.calibrate();
  }

  /** Gives up the run under way. */
  stop(): void {
    this.scheduler.stopRun();
  }

  /** Opens a comm again that the kernel closed. */
  reopen(): void {
    this.client.reopen();
  }

  /** The TypeScript that reproduces the controls. @throws when the kernel does not answer. */
  code(): Promise<string> {
    const { state } = this;
    if (!state || this.connection !== 'ready')
      return Promise.reject(new Error('The kernel is not connected.'));
    return new Promise((resolve, reject) => {
      this.codes.set(this.scheduler.code(state), { resolve, reject });
    });
  }

  private awaitPrediction(): void {
    this.sentAt = performance.now();
    window.clearTimeout(this.slow);
    this.slow = window.setTimeout(() => {
      this.isSlow = this.waiting;
      this.onChange('prediction');
    }, SLOW_MS);
  }

  private onConnection(connection: Connection): void {
    if (connection !== 'ready') {
      window.clearTimeout(this.slow);
      this.isSlow = false;
      this.scheduler.reset();
      this.rejectCodes('The kernel was disconnected.');
    }
    this.onChange('connection');
  }

  private onReply(reply: LiveReply): void {
    switch (reply.type) {
      case 'catalogue':
        this.catalogue = reply.catalogue;
        this.state = normalized(reply.catalogue, this.state ?? this.remembered() ?? reply.catalogue.state);
        this.onChange('catalogue');
        // The catalogue that follows a calibration comes while it is still under way.
        if (!this.isCalibrating) this.scheduler.change(this.state, this.autoRun);
        break;
      case 'prediction':
        if (!this.scheduler.predicted(reply.serial)) break;
        window.clearTimeout(this.slow);
        this.isSlow = false;
        this.prediction = {
          profile: reply.profile,
          dense: reply.dense,
          roundTripMs: performance.now() - this.sentAt,
        };
        this.onChange('prediction');
        break;
      case 'progress':
        if (!this.scheduler.isRunning(reply.serial)) break;
        this.progress = { fraction: reply.fraction, name: reply.name };
        this.onChange('run');
        break;
      case 'result':
        if (!this.scheduler.finished(reply.serial)) break;
        this.result = { ...reply, state: this.ranState! };
        this.onChange('result');
        break;
      case 'calibrated':
        if (!this.scheduler.finished(reply.serial)) break;
        this.change({ device: reply.device });
        break;
      case 'code':
        this.codes.get(reply.serial)?.resolve(reply.source);
        this.codes.delete(reply.serial);
        break;
      case 'error':
        this.scheduler.failed(reply.serial);
        if (reply.serial !== undefined && this.codes.has(reply.serial)) {
          this.codes.get(reply.serial)!.reject(new Error(reply.message));
          this.codes.delete(reply.serial);
        } else this.fail(reply.message);
        break;
    }
  }

  private fail(problem: string): void {
    this.problem = problem;
    this.onChange('message');
  }

  private rejectCodes(reason: string): void {
    for (const { reject } of this.codes.values()) reject(new Error(reason));
    this.codes.clear();
  }

  // The controls outlive a reload of the page in the tab's storage, as the comm's id does.
  private get key(): string {
    return `fovea.live.state:${this.kernel.id}`;
  }

  private remember(): void {
    try {
      sessionStorage.setItem(this.key, JSON.stringify(this.state));
    } catch {
      // A full storage costs no more than the controls after a reload.
    }
  }

  private remembered(): LiveState | undefined {
    try {
      const state = JSON.parse(sessionStorage.getItem(this.key) ?? 'null') as LiveState | null;
      return state && Array.isArray(state.granularity) ? state : undefined;
    } catch {
      return undefined;
    }
  }
}
