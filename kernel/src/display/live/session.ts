import {
  blocksOf,
  FoveaError,
  type Mask,
  type Masker,
  type Network,
  type Profile,
  predict,
  regionMasker,
  resolveMaskers,
} from '@fovea/engine';
import { decideMask, networkShapes } from '@fovea/engine/backend';
import { resolveGranularity } from '@fovea/engine/internal';
import { type CalibrateOptions, readCalibration } from '@fovea/engine/predict';
import { calibrateAlone } from '../../calibrate-alone.js';
import { OneByOne } from '../../one-by-one.js';
import { latencyProfile } from '../documents/latency.js';
import { masksDocument } from '../documents/masks.js';
import type { NetworkImage } from '../images.js';
import { browserRun, NetworkFile } from './browser-run.js';
import { liveCode } from './code.js';
import { type LiveLibrary, thisMachineName } from './library.js';
import { measureNetwork } from './measurement.js';
import type { LiveReply, LiveRequest, LiveState } from './protocol.js';

/** Sends a reply to the panel, with what belongs to it as bytes. */
export type Send = (reply: LiveReply, buffers?: readonly Uint8Array[]) => void;

/** Shortest time between two reports of progress. */
const progressMs = 50;

/** Masks that learned maskers chose, and for what. */
interface Learned {
  readonly network: Network;
  readonly image: NetworkImage;
  readonly granularity: string;
  readonly masks: readonly Mask[];
}

/** What a dense network is predicted to take. */
interface DensePrediction {
  readonly profile: Profile;
  /** The calibration that was asked, for this machine; another panel or program may make a new one. */
  readonly calibration: unknown;
}

/** One run under way. */
interface Running {
  readonly serial: number;
  readonly controller: AbortController;
}

/**
 * The kernel's side of one live panel: answers its requests over `send`. Predictions come at once; at most one
 * run is under way, and a new one gives the old one up.
 */
export class LiveSession {
  readonly #library: LiveLibrary;
  readonly #send: Send;
  readonly #file = new NetworkFile();
  readonly #calibrations = new OneByOne();
  readonly #calibrateMachine: (options: CalibrateOptions) => Promise<unknown>;
  #running: Running | undefined;
  /** Dense predictions by network, and by device and threads: a name may come to mean another network. */
  readonly #dense = new WeakMap<Network, Map<string, DensePrediction>>();
  /** Masks that learned maskers chose last, for predicting what they will choose again. */
  #learned: Learned | undefined;
  readonly #catalogues = new OneByOne();
  #disposed = false;

  /** @param calibrateMachine measures this machine and stores the result */
  constructor(
    library: LiveLibrary,
    send: Send,
    calibrateMachine: (options: CalibrateOptions) => Promise<unknown> = calibrateAlone,
  ) {
    this.#library = library;
    this.#calibrateMachine = calibrateMachine;
    this.#send = (reply, buffers) => {
      if (!this.#disposed) send(reply, buffers);
    };
  }

  /** Answers one request. Never throws: what goes wrong is answered as an `error`. */
  async receive(message: unknown): Promise<void> {
    const request = message as LiveRequest;
    try {
      switch (request?.type) {
        case 'hello':
          if (typeof request.picture === 'string') this.#library.wantPicture(request.picture);
          await this.sendCatalogue();
          break;
        case 'predict':
          await this.#predict(request.serial, checkState(request.state));
          break;
        case 'run':
          await this.#run(request.serial, checkState(request.state), request.inBrowser === true);
          break;
        case 'network':
          await this.#piece(request);
          break;
        case 'calibrate':
          await this.#calibrate(request.serial);
          break;
        case 'cancel':
          this.#running?.controller.abort();
          break;
        case 'code':
          await this.#code(request.serial, checkState(request.state));
          break;
        default:
          throw new FoveaError(
            'bad-argument',
            `request "${String((request as { type?: unknown } | null)?.type)}": hello, predict, run, network, calibrate, cancel or code is accepted`,
          );
      }
    } catch (error) {
      const serial = (request as { serial?: unknown } | null)?.serial;
      this.#send({
        type: 'error',
        ...(typeof serial === 'number' ? { serial } : {}),
        message: error instanceof Error ? error.message : String(error),
      });
    }
  }

  /**
   * Sends the panel the choices that it offers; again when they have changed. One is made after the other: of two
   * made at once, the older could be sent last and would hide what was added.
   */
  sendCatalogue(): Promise<void> {
    return this.#catalogues.do(async () => {
      this.#send({ type: 'catalogue', catalogue: await this.#library.catalogue() });
    });
  }

  /** Aborts the current run; nothing more is sent. */
  dispose(): void {
    this.#disposed = true;
    this.#file.dispose();
    this.#running?.controller.abort();
  }

  async #predict(serial: number, state: LiveState): Promise<void> {
    const { network } = await this.#library.network(state.network);
    const startedMs = performance.now();
    const dense = this.#densePrediction(network, state);
    const profile = predict(network, {
      device: state.device,
      threads: state.threads,
      strategy: state.strategy,
      granularity: state.granularity,
      maskers: maskersOf(network, state),
      rate: state.rate,
      ...(await this.#expectedMasks(network, state)),
    });
    this.#send({
      type: 'prediction',
      serial,
      profile: latencyProfile(profile, { label: 'predicted' }),
      dense: latencyProfile(dense, { label: 'dense' }),
      computeMs: performance.now() - startedMs,
    });
  }

  #densePrediction(network: Network, { device, threads }: LiveState): Profile {
    const known = this.#dense.get(network) ?? new Map<string, DensePrediction>();
    this.#dense.set(network, known);
    const key = `${device}\n${threads}`;
    const calibration = device === thisMachineName ? readCalibration().device : undefined;
    const last = known.get(key);
    if (last && last.calibration === calibration) return last.profile;
    const profile = predict(network, { device, threads, strategy: 'dense' });
    known.set(key, { profile, calibration });
    return profile;
  }

  /** The masks to come, where they are known before anything has run. */
  async #expectedMasks(network: Network, state: LiveState): Promise<{ masks?: readonly Mask[] }> {
    if (state.masker === 'painted') return { masks: await masksWithoutInput(network, state) };
    const learned = this.#learned;
    if (state.masker !== 'learned' || learned?.network !== network) return {};
    if (learned.granularity !== String(state.granularity)) return {};
    const image = await this.#library.image(state.image, network);
    return learned.image === image ? { masks: learned.masks } : {};
  }

  async #run(serial: number, state: LiveState, inBrowser: boolean): Promise<void> {
    const running = this.#begin(serial);
    try {
      const { network } = await this.#library.network(state.network);
      const image = await this.#library.image(state.image, network);
      let reportedMs = Number.NEGATIVE_INFINITY;
      const options = {
        strategy: state.strategy,
        granularity: state.granularity,
        masker: maskersOf(network, state),
        threads: state.threads,
        signal: running.controller.signal,
      };
      const { result, measured, dense } = await measureNetwork(
        network,
        image.tensor,
        options,
        (fraction, name) => {
          const nowMs = performance.now();
          if (nowMs - reportedMs < progressMs || running.controller.signal.aborted) return;
          reportedMs = nowMs;
          this.#send({ type: 'progress', serial, fraction, name });
        },
      );
      if (running.controller.signal.aborted) return;
      if (state.masker === 'learned')
        this.#learned = { network, image, granularity: String(state.granularity), masks: result.masks };
      const predicted = predict(network, {
        device: state.device,
        threads: state.threads,
        strategy: state.strategy,
        granularity: state.granularity,
        maskers: maskersOf(network, state),
        masks: result.masks,
      });
      const inPanel = inBrowser ? browserRun(network, image.tensor, options, result) : undefined;
      this.#send(
        {
          type: 'result',
          serial,
          masks: masksDocument(result, image, network),
          measured: latencyProfile(measured, { label: 'measured' }),
          predicted: latencyProfile(predicted, { label: 'predicted' }),
          dense: latencyProfile(dense, { label: 'dense' }),
          ...(inPanel ? { browser: inPanel.browser } : {}),
        },
        inPanel?.buffers,
      );
    } catch (error) {
      // The panel aborted the run itself and does not wait for an answer.
      if (!running.controller.signal.aborted) throw error;
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
  }

  /** Sends a piece of a network's file, for the browser to compute with. */
  async #piece({ serial, network: name, key, offset }: Extract<LiveRequest, { type: 'network' }>) {
    const { network } = await this.#library.network(String(name));
    const { piece, totalBytes } = this.#file.piece(network, key, offset);
    this.#send({ type: 'network', serial, key, offset, totalBytes }, [piece]);
  }

  /** Measures this machine, so that it can be predicted for. */
  async #calibrate(serial: number): Promise<void> {
    const running = this.#begin(serial);
    const { signal } = running.controller;
    try {
      // One that was cancelled holds the machine until it has ended.
      await this.#calibrations.do(async () => {
        if (signal.aborted) return;
        await this.#calibrateMachine({
          signal,
          onProgress: (fraction, name) => {
            if (!signal.aborted) this.#send({ type: 'progress', serial, fraction, name });
          },
        });
      });
      if (signal.aborted) return;
      await this.sendCatalogue();
      this.#send({ type: 'calibrated', serial, device: thisMachineName });
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      if (this.#running === running) this.#running = undefined;
    }
  }

  /** Aborts the current run because a new request has come. */
  #begin(serial: number): Running {
    this.#running?.controller.abort();
    this.#running = { serial, controller: new AbortController() };
    return this.#running;
  }

  async #code(serial: number, state: LiveState): Promise<void> {
    const { kind } = await this.#library.network(state.network);
    const source = liveCode(state, kind, readCalibration().device !== undefined);
    this.#send({ type: 'code', serial, source });
  }
}

/** One masker per block. */
function maskersOf(network: Network, state: LiveState): Masker[] {
  if (state.masker !== 'painted') {
    const { masker, rate } = state;
    return resolveMaskers(network, masker === 'learned' ? { masker } : { masker, rate });
  }
  const { rows, columns, cells } = state.region!;
  const masker = regionMasker({ rows, columns, cells: Uint8Array.from(cells, Number) });
  return blocksOf(network).map(() => masker);
}

/** The masks of maskers that do not read their input. */
async function masksWithoutInput(network: Network, state: LiveState): Promise<Mask[]> {
  const { height, width } = network.inputShape;
  const shapes = networkShapes(network, { batch: 1, height, width });
  const granularity = resolveGranularity(network, state.granularity);
  const maskers = maskersOf(network, state);
  const adaptive = blocksOf(network).filter((block) => block.adaptive);
  return Promise.all(
    adaptive.map(({ index }) => {
      const block = blocksOf(network)[index]!;
      return decideMask(maskers[index]!, block, shapes.blocks[index]!, 1, granularity[index]!, () => {
        throw new FoveaError('bad-argument', 'a painted mask does not read its input');
      });
    }),
  );
}

const maskerNames = ['learned', 'saliency', 'random', 'painted'] as const;

/** @throws FoveaError `bad-argument` naming the field; the engine checks names and ranges */
function checkState(state: LiveState): LiveState {
  const wrong = (field: keyof LiveState, accepted: string) =>
    new FoveaError('bad-argument', `${field} ${JSON.stringify(state?.[field])}: ${accepted} is accepted`);
  if (typeof state !== 'object' || state === null) {
    throw new FoveaError('bad-argument', 'the request has no state');
  }
  for (const field of ['network', 'image', 'device', 'strategy'] as const) {
    if (typeof state[field] !== 'string') throw wrong(field, 'a name');
  }
  if (!maskerNames.includes(state.masker)) throw wrong('masker', maskerNames.join(', '));
  if (!Array.isArray(state.granularity)) throw wrong('granularity', 'a list of S, one per stage,');
  if (typeof state.rate !== 'number') throw wrong('rate', 'a number from 0 to 1');
  if (!Number.isInteger(state.threads) || state.threads < 1)
    throw wrong('threads', 'an integer of at least 1');
  if (state.masker === 'painted') checkRegion(state, wrong);
  return state;
}

function checkRegion(
  { region }: LiveState,
  wrong: (field: keyof LiveState, accepted: string) => FoveaError,
): void {
  const plane = Number(region?.rows) * Number(region?.columns);
  if (region === undefined || !(plane > 0) || region.cells.length !== plane || /[^01]/.test(region.cells)) {
    throw wrong('region', 'rows, columns and as many cells of 0 or 1');
  }
}
