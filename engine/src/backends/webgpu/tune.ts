import type { Program, ProgramMap } from '../../program/program.js';
import type { Device } from './device.js';
import { encodeConvolution } from './encode-convolution.js';
import { LaunchTimer } from './launch-timer.js';
import { Lists } from './lists.js';
import { shapeKey, type Tuning } from './tuning.js';
import { type Convolve, VARIANTS, type Variant } from './variants.js';
import { methodOf } from './weights.js';

/** One program is tuned for no longer than this, ms; shapes that are left have the rule's variant. */
const MOST_MS = 20_000;
/** A dispatch that takes this long is timed once, ms. */
const PATIENCE_MS = 50;
/** What of a listed region is taken to be active. */
const LISTED_SHARE = 0.5;

const noLists = new Lists({ masks: [], regions: [], halos: [] });

/** Times all variants of the convolutions of a program whose shapes are not known yet, and keeps which are fastest. */
export async function tune(device: Device, program: Program, tuning: Tuning): Promise<void> {
  const wanted = new Map<string, Convolve>();
  for (const operation of program.steps.flatMap(({ operations }) => operations)) {
    if (operation.kind !== 'convolve' || tuning.find(operation)) continue;
    if (VARIANTS[methodOf(operation.convolution)].length > 1) wanted.set(shapeKey(operation), operation);
  }
  if (wanted.size === 0) return;
  const timer = new LaunchTimer(device);
  const end = performance.now() + MOST_MS;
  try {
    for (const operation of wanted.values()) {
      if (performance.now() > end) break;
      const fastest = await fastestOf(operation, timer, device);
      if (fastest) tuning.learn(operation, fastest);
    }
  } finally {
    timer.destroy();
    tuning.keep();
  }
}

/** The fastest variant; undefined when none could be timed. */
async function fastestOf(
  operation: Convolve,
  timer: LaunchTimer,
  device: Device,
): Promise<Variant | undefined> {
  const timed = plain(operation);
  let [fastest, least] = [undefined as Variant | undefined, Number.POSITIVE_INFINITY];
  for (const variant of VARIANTS[methodOf(operation.convolution)]) {
    try {
      const ms = await timer.ms(
        encodeConvolution(timed, noLists, () => variant),
        PATIENCE_MS,
      );
      if (ms < least) [fastest, least] = [variant, ms];
    } catch {
      // A kernel that this driver does not compile, or no memory beside the network's own: another one is taken.
      device.check();
    }
  }
  return fastest;
}

/** The same work over whole maps: as many rows as are expected, and an ordinary epilogue. */
function plain({ convolution, destination, region }: Convolve): Convolve {
  const [N, H, W, K] = destination.shape;
  const [strideY, strideX] = convolution.stride;
  const height = Math.ceil(N * H * (region ? LISTED_SHARE : 1));
  const map = (id: number, shape: ProgramMap['shape']): ProgramMap => ({
    ...{ id, shape, dtype: 'f32', layout: { kind: 'map' } },
  });
  return {
    kind: 'convolve',
    convolution,
    source: map(0, [1, height * strideY, W * strideX, convolution.inChannels]),
    destination: map(1, [1, height, W, K]),
    others: false,
    activation: 'relu',
  };
}
