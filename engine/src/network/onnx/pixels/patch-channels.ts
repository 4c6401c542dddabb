import { madeOperator } from '../made-operator.js';
import { floatTensor } from '../tensor.js';
import type { PixelGraph } from './pixel-graph.js';
import { count, type Dimension, isComplete, isPlain, isRolled, type PixelView } from './pixel-view.js';

/** Most pixels whose channels are put side by side: each is a pass of its own. */
const MOST_PIXELS = 16;

/**
 * A map whose channels are those of all pixels of a patch, where a value's last extent is these, as Swin merges patches: a
 * depthwise convolution for each place in the patch takes its pixels, and these are put side by side.
 * @returns undefined where the extent is something else
 */
export function patchChannels(graph: PixelGraph, view: PixelView): PixelView | undefined {
  const last = view.dimensions.at(-1) ?? [];
  const [C, H, W] = view.extents;
  const channels = last.at(-1);
  const places = last.slice(0, -1);
  const whole = channels?.of === 'C' && channels.step === 1 && channels.extent === C;
  if (!whole || !isComplete(view) || !isPlain(view) || isRolled(view)) return undefined;
  const patch = { H: 1, W: 1 };
  for (const { of, step, extent } of places) {
    if (of === 'C' || step !== 1 || patch[of] !== 1) return undefined;
    patch[of] = extent;
  }
  const pixels = count(places);
  if (pixels < 2 || pixels > MOST_PIXELS) return undefined;
  const dimensions: Dimension[] = [];
  for (const dimension of view.dimensions.slice(0, -1)) {
    if (dimension.some(({ of, step }) => of === 'C' || step % patch[of] !== 0)) return undefined;
    dimensions.push(
      dimension.map((digit) => ({ ...digit, step: digit.step / patch[digit.of as 'H' | 'W'] })),
    );
  }
  const parts = Array.from({ length: pixels }, (_, pixel) => {
    const [y, x] = (['H', 'W'] as const).map((of) => placeOf(places, pixel, of)) as [number, number];
    return takenPixels(graph, view, [patch.H, patch.W], [y, x]);
  });
  const map = graph.fresh(view.map);
  graph.put(madeOperator('Concat', map, parts, map, { axis: 1 }));
  const all = pixels * C;
  return {
    ...view,
    ...{ map, extents: [all, H / patch.H, W / patch.W] },
    dimensions: [...dimensions, [{ of: 'C', step: 1, extent: all }]],
  };
}

/** The row or column of the `pixel`-th of a patch, which are in the order of its digits. */
function placeOf(places: Dimension, pixel: number, of: 'H' | 'W'): number {
  const at = places.findIndex((digit) => digit.of === of);
  return at < 0 ? 0 : Math.floor(pixel / count(places.slice(at + 1))) % places[at]!.extent;
}

/** The pixels of a map at one place of every patch. */
function takenPixels(
  graph: PixelGraph,
  { map, extents: [C] }: PixelView,
  [height, width]: readonly [number, number],
  [y, x]: readonly [number, number],
): string {
  const taps = height * width;
  graph.budget.spend(4 * C * taps);
  const weights = new Float32Array(C * taps);
  for (let c = 0; c < C; c++) weights[c * taps + y * width + x] = 1;
  const weight = graph.constant(map, floatTensor('', [C, 1, height, width], weights));
  const output = graph.fresh(map);
  const attributes = { group: C, kernel_shape: [height, width], strides: [height, width] };
  graph.put(madeOperator('Conv', output, [map, weight], output, attributes));
  return output;
}
