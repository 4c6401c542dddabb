import { eachItem, FIRST_GROUP, GROUP, type Kernel } from '../kernel.js';
import {
  convolutionBindings,
  convolutionParameters,
  type Epilogue,
  nameOf,
  placeCode,
  sumCode,
} from './rows.js';

/**
 * Convolutions of many groups, each invocation summing four output channels of one pixel:
 * - `depthwise`: one channel in, one out
 * - `maximum`: the largest tap of a channel, in the place of their sum
 * - `grouped`: groups of whole vectors
 * - `mixed`: any other groups; channels of one vector may belong to different ones
 */
export type GroupKind = 'depthwise' | 'maximum' | 'grouped' | 'mixed';

const sums: Readonly<Record<GroupKind, string>> = {
  depthwise: `
      sum = fma(vec4f(source[at * p.inVectors + vector]), vec4f(weights[tap * p.outVectors + vector]), sum);`,
  maximum: `
      sum = max(sum, vec4f(source[at * p.inVectors + vector]));`,
  grouped: `
      let first = at * p.inVectors + vector * 4u / p.outGroup * (p.inGroup / 4u);
      for (var i = 0u; i < p.inGroup / 4u; i++) {
        let s = vec4f(source[first + i]);
        let w = (tap * p.inGroup + i * 4u) * p.outVectors + vector;
        sum = fma(vec4f(s.x), vec4f(weights[w]), sum);
        sum = fma(vec4f(s.y), vec4f(weights[w + p.outVectors]), sum);
        sum = fma(vec4f(s.z), vec4f(weights[w + 2u * p.outVectors]), sum);
        sum = fma(vec4f(s.w), vec4f(weights[w + 3u * p.outVectors]), sum);
      }`,
  mixed: `
      let group = (vec4u(vector * 4u) + vec4u(0u, 1u, 2u, 3u)) / p.outGroup;
      for (var i = 0u; i < p.inGroup; i++) {
        let c = group * p.inGroup + i;
        let s = vec4f(channel(at, c.x), channel(at, c.y), channel(at, c.z), channel(at, c.w));
        sum = fma(s, vec4f(weights[(tap * p.inGroup + i) * p.outVectors + vector]), sum);
      }`,
};

/** Vectors that an invocation multiplies, one after the other, for one tap. */
export function directSteps(kind: GroupKind, inGroup: number): number {
  return kind === 'grouped' ? inGroup / 4 : inGroup;
}

/** A group's channel of a lane behind the last channel lies beyond the map's; its weight is 0. */
const channelCode = `
fn channel(pixel: u32, c: u32) -> f32 {
  if (c >= p.inVectors * 4u) { return 0; }
  return f32(source[pixel * p.inVectors + c / 4u][c % 4u]);
}`;

export function directKernel(kind: GroupKind, epilogue: Epilogue): Kernel {
  return {
    name: `${kind} ${nameOf(epilogue)}`,
    parameters: convolutionParameters(epilogue),
    bindings: convolutionBindings(epilogue),
    code: `${placeCode}
${sumCode(epilogue)}
${kind === 'mixed' ? channelCode : ''}
${eachItem}
  let row = item / p.outVectors;
  let vector = item % p.outVectors;
  if (row >= rowCount()) { return; }
  let place = placeOf(row);
  var sum = vec4f(${kind === 'maximum' ? '-0x1.fffffep+127f' : '0'});
  for (var tapY = 0u; tapY < p.kernelHeight; tapY++) {
    for (var tapX = 0u; tapX < p.kernelWidth; tapX++) {
      let at = sourceAt(place, tapY, tapX);
      if (at == NONE) { continue; }
      let tap = tapY * p.kernelWidth + tapX;${sums[kind]}
    }
  }
  finish(row, u32(place.w), vector, sum);
}`,
  };
}

/** Pixels that an invocation of the depthwise kernel for several sums. */
export const PIXELS_EACH = 4;

const unrolled = (line: (i: number) => string) =>
  Array.from({ length: PIXELS_EACH }, (_, i) => line(i)).join('\n');

/** Depthwise, each invocation summing the same four channels of several pixels: their weights are read once. */
export function depthwiseOfSeveralKernel(epilogue: Epilogue): Kernel {
  return {
    name: `depthwise x${PIXELS_EACH} ${nameOf(epilogue)}`,
    // The turns of a workgroup depend on how many there are.
    parameters: convolutionParameters(epilogue).filter((name) => name !== FIRST_GROUP),
    bindings: convolutionBindings(epilogue),
    code: `${placeCode}
${sumCode(epilogue)}
${eachItem}
  let count = rowCount();
  let items = (count + ${PIXELS_EACH - 1}u) / ${PIXELS_EACH}u * p.outVectors;
  // The last pixels of a channel may not fill an invocation, so that there may be one turn more than workgroups.
  for (var turn = item; turn < items; turn += groups.x * groups.z * ${GROUP}u) {
    let first = turn / p.outVectors * ${PIXELS_EACH}u;
    let vector = turn % p.outVectors;
    // Beyond the last row every tap lies outside.
${unrolled(
  (i) => `    var place${i} = vec4i(0, -0x40000000, 0, 0);
    if (first + ${i}u < count) { place${i} = placeOf(first + ${i}u); }
    var sum${i} = vec4f(0);`,
)}
    for (var tapY = 0u; tapY < p.kernelHeight; tapY++) {
      for (var tapX = 0u; tapX < p.kernelWidth; tapX++) {
        let weight = vec4f(weights[(tapY * p.kernelWidth + tapX) * p.outVectors + vector]);
${unrolled(
  (i) => `        {
          let at = sourceAt(place${i}, tapY, tapX);
          if (at != NONE) { sum${i} = fma(vec4f(source[at * p.inVectors + vector]), weight, sum${i}); }
        }`,
)}
      }
    }
${unrolled((i) => `    if (first + ${i}u < count) { finish(first + ${i}u, u32(place${i}.w), vector, sum${i}); }`)}
  }
}`,
  };
}
