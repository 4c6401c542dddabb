import type { Program } from '../../program/program.js';
import type { Device } from './device.js';
import { encodeConvolution, encodePair } from './encode-convolution.js';
import { PAIR_TILES, type PairTile } from './kernels/pair.js';
import type { Launch } from './launch.js';
import { LaunchTimer } from './launch-timer.js';
import { pairFits, pairOf } from './pairs.js';
import { noLists, probeConvolution } from './probe.js';
import type { Tuning } from './tuning.js';
import { type Convolve, type Pair, VARIANTS, type Variant } from './variants.js';
import { methodOf } from './weights.js';

/** One program is tuned for no longer than this, ms; shapes that are left have the rule's variant. */
const MOST_MS = 20_000;
/** A dispatch that takes this long is timed once, ms. */
const PATIENCE_MS = 50;
/** What of a listed region is taken to be active. */
const LISTED_SHARE = 0.5;

/**
 * Times all variants of the convolutions of a program whose shapes are not known yet, then pairs of them in one dispatch
 * and in two, and keeps what is fastest.
 */
export async function tune(device: Device, { steps }: Program, tuning: Tuning): Promise<void> {
  const convolutions = steps
    .flatMap(({ operations }) => operations)
    .filter((operation): operation is Convolve => operation.kind === 'convolve')
    .filter(({ convolution }) => VARIANTS[methodOf(convolution)].length > 1);
  const pairs = steps.flatMap(({ operations }) =>
    operations.flatMap((operation, at) => pairOf(operation, operations[at + 1]) ?? []),
  );
  if (convolutions.every((one) => tuning.find(one)) && pairs.every((pair) => tuning.knows(pair))) return;
  const tuner = new Tuner(device, tuning);
  const end = performance.now() + MOST_MS;
  try {
    for (const one of convolutions) {
      if (performance.now() < end && !tuning.find(one)) await tuner.convolution(one);
    }
    for (const pair of pairs) {
      if (performance.now() < end && !tuning.knows(pair)) await tuner.pair(pair);
    }
  } finally {
    tuner.destroy();
    tuning.keep();
  }
}

class Tuner {
  readonly #timer: LaunchTimer;

  constructor(
    readonly device: Device,
    readonly tuning: Tuning,
  ) {
    this.#timer = new LaunchTimer(device);
  }

  async convolution(operation: Convolve): Promise<void> {
    const timed = plain(operation);
    const variants = VARIANTS[methodOf(operation.convolution)];
    const fastest = await this.#fastest(variants, (variant) => encodeConvolution(timed, noLists, variant));
    if (fastest) this.tuning.learn(operation, fastest.one);
  }

  async pair(pair: Pair): Promise<void> {
    const first = plain(pair.first);
    const second = { ...plain(pair.second), source: first.destination };
    const { device, tuning } = this;
    const room = device.gpu.limits.maxComputeWorkgroupStorageSize;
    const tiles = PAIR_TILES.filter((tile) => pairFits(pair, tile, device.precision, room));
    const together = await this.#fastest<PairTile>(tiles, (tile) =>
      encodePair({ first, second }, noLists, tile),
    );
    let apartMs = 0;
    for (const [own, timed] of [
      [pair.first, first],
      [pair.second, second],
    ] as const) {
      const fastest = await this.#fastest<Variant>([tuning.one(own)], (variant) =>
        encodeConvolution(timed, noLists, variant),
      );
      apartMs += fastest?.ms ?? Number.POSITIVE_INFINITY;
    }
    tuning.learnPair(pair, together && together.ms < apartMs ? together.one : undefined);
  }

  destroy(): void {
    this.#timer.destroy();
  }

  /** The fastest way to do something, and its time; undefined when none could be timed. */
  async #fastest<Way>(
    ways: readonly Way[],
    launch: (way: Way) => Launch,
  ): Promise<{ readonly one: Way; readonly ms: number } | undefined> {
    let fastest: { readonly one: Way; readonly ms: number } | undefined;
    for (const one of ways) {
      try {
        const ms = await this.#timer.ms(launch(one), PATIENCE_MS);
        if (!fastest || ms < fastest.ms) fastest = { one, ms };
      } catch {
        // A kernel that this driver does not compile, or no memory beside the network's own: another one is taken.
        this.device.check();
      }
    }
    return fastest;
  }
}

/** The same work over whole maps: as many rows as are expected. */
function plain({ convolution, destination, region }: Convolve): Convolve {
  const [N, H, W] = destination.shape;
  return probeConvolution(convolution, Math.ceil(N * H * (region ? LISTED_SHARE : 1)), W);
}
