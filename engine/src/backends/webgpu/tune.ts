import { tuneAlone } from '#kept-tuning';
import type { Convolve, Program } from '../../program/program.js';
import { workOf } from '../../program/work.js';
import { wrongMatrices } from './check-matrices.js';
import type { Device } from './device.js';
import { encodeConvolution } from './encode-convolution.js';
import { encodeFusion } from './encode-fusion.js';
import { type Fusion, fusionsAt, partsOf, tilesFor } from './fusions.js';
import type { FusionTile } from './kernels/fusion.js';
import type { Launch } from './launch.js';
import { LaunchTimer } from './launch-timer.js';
import { noLists, probeConvolution } from './probe.js';
import { plainSquares } from './squares.js';
import { mostWork } from './submission-bound.js';
import type { Tuning } from './tuning.js';
import { isOfMatrices, type Variant } from './variants.js';

/** One program is tuned for no longer than this, ms; shapes that are left have the rule's variant. */
const MOST_MS = 20_000;
/** A dispatch that takes this long is timed once, ms. */
const PATIENCE_MS = 50;
/** What of a listed region is taken to be active. */
const LISTED_SHARE = 0.5;

/** What can be computed in several ways and was not timed. */
function untimedOf({ steps }: Program, tuning: Tuning): Convolve[] {
  return steps
    .flatMap(({ operations }) => operations)
    .filter((operation): operation is Convolve => operation.kind === 'convolve')
    .filter((operation) => tuning.byRule(operation));
}

/** Who chose the variants of a program that was tuned, as the end of a sentence. */
export function chosenBy(program: Program, tuning: Tuning): string {
  const left = untimedOf(program, tuning).length;
  const timed = 'timing them on this GPU';
  if (left === 0) return timed;
  return `${timed}, ${left} of them by a rule, as they could not be timed within ${MOST_MS / 1e3} s`;
}

/**
 * Times all variants of the convolutions of a program whose shapes are not known yet, then fusions of
 * them as one dispatch and as several, and keeps what is fastest. Sessions take turns at it.
 */
export async function tune(device: Device, program: Program, tuning: Tuning): Promise<void> {
  const isKnown = () =>
    untimedOf(program, tuning).length === 0 && unknownFusions(program, tuning).length === 0;
  if (isKnown()) return;
  await tuneAlone(async () => {
    // What was waited for may have been the same.
    tuning.readAgain();
    if (!isKnown()) await timeUnknown(device, program, tuning);
  });
}

/** Fusions that were not timed, shorter ones first: the longer ones are compared with what is fastest of those. */
function unknownFusions({ steps }: Program, tuning: Tuning): Fusion[] {
  return steps
    .flatMap(({ operations }) => operations.flatMap((_, at) => fusionsAt(operations, at)))
    .filter((one) => !tuning.knows(one))
    .toSorted((a, b) => a.operations.length - b.operations.length);
}

async function timeUnknown(device: Device, program: Program, tuning: Tuning): Promise<void> {
  const tuner = new Tuner(device, tuning);
  const end = performance.now() + MOST_MS;
  try {
    for (const one of untimedOf(program, tuning)) {
      // Several have the same shape.
      if (performance.now() < end && tuning.byRule(one)) await tuner.convolution(one);
    }
    for (const fusion of unknownFusions(program, tuning)) {
      if (performance.now() < end && !tuning.knows(fusion)) await tuner.fusion(fusion);
    }
  } finally {
    tuner.destroy();
    await tuning.keep();
  }
}

class Tuner {
  readonly #timer: LaunchTimer;
  #wrong: Promise<readonly Variant[]> | undefined;
  #work = 0;
  #ms = 0;

  constructor(
    readonly device: Device,
    readonly tuning: Tuning,
  ) {
    this.#timer = new LaunchTimer(device);
  }

  async convolution(operation: Convolve): Promise<void> {
    const variants = this.tuning.variantsOf(operation);
    const wrong = variants.some(isOfMatrices) ? await this.#wrongMatrices() : [];
    const share = this.#shareOf([operation]);
    const fastest = await this.#variantMs(
      operation,
      variants.filter((one) => !wrong.includes(one)),
      share,
    );
    if (!fastest) return;
    this.tuning.learn(operation, fastest.one);
    this.#work += mostWork(workOf(plain(operation, share)));
    this.#ms += fastest.ms;
    // Of all that was timed so far: a network has fast convolutions and slow ones.
    this.device.bound.ran(this.#work, this.#ms);
  }

  async fusion(fusion: Fusion): Promise<void> {
    const { device, tuning } = this;
    const tiles = tilesFor(fusion, device.precision, device.gpu.limits.maxComputeWorkgroupStorageSize);
    const share = this.#shareOf(fusion.operations);
    const together = await this.#fusedMs(fusion, tiles, share);
    let apartMs = 0;
    // What is not known of the fusion yet divides it into its parts.
    for (const part of partsOf(fusion.operations, tuning)) {
      const fastest =
        'fusion' in part
          ? await this.#fusedMs(part.fusion, [part.tile], share)
          : await this.#variantMs(part.operation, [tuning.one(part.operation)], share);
      apartMs += fastest?.ms ?? Number.POSITIVE_INFINITY;
    }
    tuning.learnFusion(fusion, together && together.ms < apartMs ? together.one : undefined);
  }

  /** How much of convolutions is timed: a dispatch is no longer than a submission may be. */
  #shareOf(operations: readonly Convolve[]): number {
    const work = operations.reduce((sum, operation) => sum + mostWork(workOf(plain(operation, 1))), 0);
    return Math.min(1, this.device.bound.work / work);
  }

  #variantMs(operation: Convolve, variants: readonly Variant[], share: number) {
    const timed = plain(operation, share);
    return this.#fastest(variants, (variant) => {
      const squares = variant.kind === 'squares' ? plainSquares(operation, timed, variant.side) : undefined;
      return encodeConvolution(timed, noLists, variant, squares);
    });
  }

  #fusedMs(fusion: Fusion, tiles: readonly FusionTile[], share: number) {
    const timed = plainFusion(fusion, share);
    return this.#fastest(tiles, (tile) =>
      encodeFusion(timed, noLists, tile, false, plainSquares(fusion.core, timed.core, tile.side ?? 1)),
    );
  }

  #wrongMatrices(): Promise<readonly Variant[]> {
    this.#wrong ??= wrongMatrices(this.#timer, this.tuning);
    return this.#wrong;
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

/** Rows of an image as wide as a map, with as many pixels as are expected to be computed. */
const expectedRows = ([N, H]: readonly number[], isListed: boolean) =>
  N! * H! * (isListed ? LISTED_SHARE : 1);

/** The same work, or a share of it, over whole maps: as many rows as are expected. */
function plain({ convolution, destination, region }: Convolve, share: number): Convolve {
  const { shape } = destination;
  const rows = Math.ceil(share * expectedRows(shape, region !== undefined));
  return probeConvolution(convolution, rows, shape[2]);
}

/** The same of a fusion, each convolution reading what the one before it writes. */
function plainFusion({ head, core, tail }: Fusion, share: number): Fusion {
  const plainCore = plain(core, share);
  const [, height, width] = plainCore.source.shape;
  const plainHead = head && probeConvolution(head.convolution, height, width);
  const inner = plainHead ? { ...plainCore, source: plainHead.destination } : plainCore;
  const plainTail = tail && { ...plain(tail, share), source: inner.destination };
  return {
    operations: [...(plainHead ? [plainHead] : []), inner, ...(plainTail ? [plainTail] : [])],
    ...(plainHead ? { head: plainHead } : {}),
    core: inner,
    ...(plainTail ? { tail: plainTail } : {}),
  };
}
