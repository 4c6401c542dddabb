import type { Convolution } from '../../network/network.js';
import type { Convolve, ProgramMap } from '../../program/program.js';
import { Lists } from './lists.js';

/** For dispatches over whole maps. */
export const noLists = new Lists({ masks: [], regions: [], halos: [], steps: [] });

/** A map that no program has, for dispatches that are timed by themselves. */
export function probeMap(shape: ProgramMap['shape']): ProgramMap {
  return { id: 0, shape, dtype: 'f32', layout: { kind: 'map' } };
}

/** A convolution to a whole map of one image, with an ordinary epilogue. */
export function probeConvolution(
  convolution: Convolution,
  height: number,
  width: number,
  source = probeMap([
    1,
    height * convolution.stride[0],
    width * convolution.stride[1],
    convolution.inChannels,
  ]),
): Convolve {
  return {
    kind: 'convolve',
    convolution,
    source,
    destination: probeMap([1, height, width, convolution.outChannels]),
    others: false,
    activation: 'relu',
  };
}
