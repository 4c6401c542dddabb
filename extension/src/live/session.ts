import type { Kernel } from '@jupyterlab/services';
import type { LatencyProfile, MasksDocument } from '../documents/types';
import { preferences } from '../preferences';
import { Answers } from './answers';
import { type Connection, LiveClient } from './client';
import { type GpuEnvironment, GpuRuns } from './gpu/runs';
import type { LiveCatalogue, LiveReply, LiveRequest, LiveState } from './protocol';
import { Scheduler } from './scheduler';
import { normalized } from './state';

/** What changed, so that a view redraws no more than it must. */
export type Change =
  | 'connection'
  | 'catalogue'
  | 'state'
  | 'prediction'
  | 'run'
  | 'result'
  | 'gpu'
  | 'message';

/** What has become of a file that was to be an input: chosen, refused as no picture, or not found by the kernel. */
export type Taken =
  | { readonly outcome: 'chosen' | 'unknown' }
  | { readonly outcome: 'refused' | 'missing'; readonly reason: string };

interface Wanted {
  readonly name: string;
  settle(taken: Taken): void;
}

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
  /** The dense run, measured alternately with it. */
  readonly dense: LatencyProfile;
  /** The state that was run. */
  readonly state: LiveState;
}

/** A prediction that takes longer is said to be awaited; a faster one would only make the panel flicker. */
const SLOW_MS = 600;

const isSame = (one: unknown, other: unknown) => JSON.stringify(one) === JSON.stringify(other);

/** What a catalogue that is newer than a file says of it. */
function outcomeOf(file: string, { images, refusedImages = [], moreImages }: LiveCatalogue): Taken {
  if (images.some(({ name }) => name === file)) return { outcome: 'chosen' };
  const refused = refusedImages.find(({ name }) => name === file);
  if (refused) return { outcome: 'refused', reason: `${refused.reason}.` };
  return {
    outcome: 'missing',
    // A kernel of an earlier version looks at the first pictures alone.
    reason: `The kernel does not offer ${file}: ${
      moreImages
        ? 'there are too many pictures beside the notebook'
        : 'it is not in the folder where the kernel was started. Has the notebook been moved? Then shut the kernel down and start it again'
    }.`,
  };
}

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
  /** The same on this browser's GPU. */
  readonly gpu: GpuRuns;
  private readonly answers = new Answers();
  private sentAt = 0;
  private slow: number | undefined;
  private ranState: LiveState | undefined;
  /** How many of the next catalogues only tell what can be chosen now. */
  private refreshes = 0;
  /** Files that were put beside the notebook, until a catalogue says what has become of them. */
  private wanted: readonly Wanted[] = [];
  /** Those of them that were chosen. */
  private given: readonly string[] = [];

  /** @param environment the browser's facilities for its GPU; by default those of this page */
  constructor(
    readonly kernel: Kernel.IKernelConnection,
    environment?: GpuEnvironment,
  ) {
    this.gpu = new GpuRuns({
      piece: (network, key, offset) => this.answer(() => this.scheduler.piece(network, key, offset)),
      onChange: () => this.onChange('gpu'),
      environment,
    });
    this.scheduler = new Scheduler({
      send: (request) => {
        if (request.type === 'predict') this.awaitPrediction();
        if (request.type === 'run') {
          this.ranState = request.state;
          this.gpu.cancel();
        }
        this.client.send(request);
      },
      runDelayMs: () => preferences.get().runDelayMs,
      inBrowser: () => this.gpu.enabled,
      onRunning: (running) => {
        if (!running) this.isCalibrating = false;
        this.progress = running ? { fraction: 0, name: '' } : undefined;
        this.onChange('run');
      },
    });
    this.client = new LiveClient(kernel, {
      hello: () => this.hello(),
      onConnection: (connection) => this.onConnection(connection),
      onReply: (reply, buffers) => this.onReply(reply, buffers),
      onMalformed: (error) => {
        const problem = `The kernel sent an invalid message. ${error.message}`;
        this.answers.rejectAll(problem);
        this.fail(problem);
      },
    });
  }

  dispose(): void {
    this.onChange = () => undefined;
    window.clearTimeout(this.slow);
    this.scheduler.reset();
    this.answers.rejectAll('The panel was closed.');
    for (const { settle } of this.wanted) settle({ outcome: 'unknown' });
    this.gpu.dispose();
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

  /** Whether this browser's result belongs to the controls as they stand. */
  get isGpuCurrent(): boolean {
    return this.gpu.result !== undefined && this.gpu.result.state === this.state;
  }

  /** Whether something is under way that can be stopped, in the kernel or in this browser. */
  get isRunning(): boolean {
    return this.progress !== undefined || this.gpu.activity !== undefined;
  }

  /** Whether the result was over the image that is chosen, by the network that is chosen. */
  get isCurrentImage(): boolean {
    const ran = this.result?.state;
    return ran !== undefined && ran.image === this.state?.image && ran.network === this.state?.network;
  }

  /** Changes some controls: requests a prediction now, and a run when they have stopped changing. */
  change(patch: Partial<LiveState>): void {
    if (!this.catalogue || !this.state) return;
    this.state = normalized(this.catalogue, { ...this.state, ...patch });
    this.problem = undefined;
    this.remember();
    this.scheduler.change(this.state, this.autoRun);
    this.gpu.cancel();
    this.onChange('state');
  }

  /** Whether runs are done again on this browser's GPU; the one that is shown at once. */
  setGpu(enabled: boolean): void {
    this.gpu.set(enabled);
    if (enabled) this.run();
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
    this.gpu.cancel();
  }

  /** Opens a comm again that the kernel closed. */
  reopen(): void {
    this.client.reopen();
  }

  /** Asks for the networks and images again, as when there are new files; the controls stay as they are. */
  refresh(): void {
    if (this.connection !== 'ready' || this.isCalibrating) return;
    this.refreshes += 1;
    this.client.send(this.hello());
  }

  /** Asks for the catalogue. A kernel that has restarted gets the name of a picture that was put there again. */
  private hello(): LiveRequest {
    const { image } = this.state ?? {};
    const picture = this.wanted.at(-1)?.name ?? this.given.find((name) => name === image);
    return { type: 'hello', ...(picture === undefined ? {} : { picture }) };
  }

  /**
   * Chooses a file beside the notebook as soon as the kernel offers it.
   * @returns what has become of it; `unknown` when the session ends before the kernel has said so
   */
  want(name: string): Promise<Taken> {
    return new Promise((settle) => {
      this.wanted = [...this.wanted, { name, settle }];
      this.refresh();
    });
  }

  /** The TypeScript that reproduces the controls. @throws when the kernel does not answer. */
  code(): Promise<string> {
    const { state } = this;
    if (!state) return Promise.reject(new Error('The controls are not ready yet.'));
    return this.answer(() => this.scheduler.code(state));
  }

  /** @param ask sends a request and returns its serial number */
  private answer<Answer>(ask: () => number): Promise<Answer> {
    if (this.connection !== 'ready') return Promise.reject(new Error('The kernel is not connected.'));
    return this.answers.wait(ask());
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
      this.refreshes = 0;
      window.clearTimeout(this.slow);
      this.isSlow = false;
      this.scheduler.reset();
      this.answers.rejectAll('The kernel was disconnected.');
      this.gpu.cancel();
    }
    this.onChange('connection');
  }

  private onReply(reply: LiveReply, buffers: readonly Uint8Array[]): void {
    switch (reply.type) {
      case 'catalogue':
        this.takeCatalogue(reply.catalogue);
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
        if (reply.browser && this.gpu.enabled)
          void this.gpu.repeat({ ...this.result, browser: reply.browser, buffers });
        break;
      case 'network':
        this.answers.take(reply.serial, {
          bytes: buffers[0] ?? new Uint8Array(),
          totalBytes: reply.totalBytes,
        });
        break;
      case 'calibrated':
        if (!this.scheduler.finished(reply.serial)) break;
        this.change({ device: reply.device });
        break;
      case 'code':
        this.answers.take(reply.serial, reply.source);
        break;
      case 'error':
        this.scheduler.failed(reply.serial);
        if (!this.answers.take(reply.serial, new Error(reply.message))) this.fail(reply.message);
        break;
    }
  }

  private takeCatalogue(catalogue: LiveCatalogue): void {
    const isRefresh = this.refreshes > 0;
    if (isRefresh) this.refreshes -= 1;
    const offers = (image: string) => catalogue.images.some(({ name }) => name === image);
    // Catalogues come in the order of their requests: until the last one, it may be older than the file.
    const settled = this.wanted.filter(({ name }) => offers(name) || this.refreshes === 0);
    this.wanted = this.wanted.filter((each) => !settled.includes(each));
    const chosen = settled.findLast(({ name }) => offers(name));
    for (const { name, settle } of settled) settle(outcomeOf(name, catalogue));
    if (isRefresh && !chosen && isSame(catalogue, this.catalogue)) return;
    this.catalogue = catalogue;
    const before = this.state;
    const state = normalized(catalogue, before ?? this.remembered() ?? catalogue.state);
    const isKept = isRefresh && before !== undefined && isSame(state, before);
    this.state = isKept ? before : state;
    this.onChange('catalogue');
    // The catalogue that follows a calibration comes while it is still under way.
    if (!isKept && !this.isCalibrating) this.scheduler.change(state, this.autoRun);
    if (!chosen) return;
    this.given = [...this.given, chosen.name];
    this.change({ image: chosen.name, region: undefined });
  }

  private fail(problem: string): void {
    this.problem = problem;
    this.onChange('message');
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
