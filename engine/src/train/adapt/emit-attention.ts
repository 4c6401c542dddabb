import { type Attention, scalesByResponse, slidesOverChannels } from '../../network/attention.js';
import type { Convolution, PlainConvolution } from '../../network/network.js';
import type { Tape, Value } from './tape.js';
import { normaliseMap } from './tape-joins.js';

/** Writes attention to a map down; the result is the scaled map. */
export function emitAttention(tape: Tape, attention: Attention, input: Value): Value {
  if (scalesByResponse(attention)) return emitResponse(tape, attention, input);
  const scales = emitScales(tape, attention, input);
  const scaled = tape.scale(input, scales);
  tape.discard(scales);
  if (!attention.spatial) return scaled;
  const output = emitPixelScales(tape, attention.spatial, scaled);
  tape.discard(scaled);
  return output;
}

/** `weight · (x · response) + bias · x`: the map is normalised as a whole, and the gate's weights are those of channels. */
function emitResponse(tape: Tape, { epsilon, gate }: Attention, input: Value): Value {
  const normalised = normaliseMap(tape, input, { by: 'response', groups: 1, epsilon: epsilon! });
  const zeros = new Float32Array(gate.outChannels);
  const scaled = tape.convolution(normalised, { ...gate, bias: zeros });
  tape.discard(normalised);
  return addedTo(tape, scaled, tape.convolution(input, { ...gate, weight: gate.bias, bias: zeros }));
}

/** The channels' scales, `[N, 1, 1, C]`. */
function emitScales(tape: Tape, { pools, reduce, gate }: Attention, input: Value): Value {
  const [N, H, W, C] = input.shape;
  const parts = pools.map((pool) => {
    const pooled = pool === 'mean' ? tape.cells(input, 1, 1) : tape.windows(input, 'max-pool', [H, W]);
    if (!reduce) return pooled;
    const reduced = tape.convolution(pooled, reduce);
    tape.discard(pooled);
    return reduced;
  });
  const sum = parts.reduce((a, b) => addedTo(tape, a, b));
  const scales = slidesOverChannels(gate)
    ? tape.view(tape.convolution(tape.view(sum, [N, 1, C, 1]), gate), [N, 1, 1, C])
    : tape.convolution(sum, gate);
  tape.discard(sum);
  return scales;
}

/** A map times the scale of each pixel. */
function emitPixelScales(tape: Tape, spatial: PlainConvolution, input: Value): Value {
  const [N, H, W, C] = input.shape;
  // Side by side, each pixel's channels are a window.
  const side = tape.view(input, [N, H * W, C, 1]);
  const summaries = (['average-pool', 'max-pool'] as const).map((kind, channel) => {
    const pooled = tape.windows(side, kind, [1, C]);
    const sum = tape.convolution(tape.view(pooled, [N, H, W, 1]), ofChannel(spatial, channel));
    tape.discard(pooled);
    return sum;
  });
  const sum = summaries.reduce((a, b) => addedTo(tape, a, b));
  const weights = tape.activation(sum, spatial.activation);
  const spread = tape.convolution(weights, copies(C));
  // One pixel of all values: each has its own scale.
  const flat = (value: Value) => tape.view(value, [N, 1, 1, H * W * C]);
  const output = tape.view(tape.scale(flat(input), flat(spread)), input.shape);
  for (const done of [sum, weights, spread]) tape.discard(done);
  return output;
}

function addedTo(tape: Tape, a: Value, b: Value): Value {
  const sum = tape.add(a, b);
  for (const done of [a, b]) tape.discard(done);
  return sum;
}

/** What a convolution of two channels does with one of them; the bias goes with the first. */
function ofChannel(convolution: PlainConvolution, channel: number): Convolution {
  const taps = convolution.weight.length / 2;
  return {
    ...convolution,
    inChannels: 1,
    weight: convolution.weight.slice(channel * taps, (channel + 1) * taps),
    bias: channel === 0 ? convolution.bias : new Float32Array(1),
    activation: 'none',
  };
}

/** One channel copied to many. */
function copies(count: number): Convolution {
  return {
    name: 'copies',
    inChannels: 1,
    outChannels: count,
    kernel: [1, 1],
    stride: [1, 1],
    padding: [0, 0, 0, 0],
    dilation: [1, 1],
    groups: 1,
    weight: new Float32Array(count).fill(1),
    bias: new Float32Array(count),
    activation: 'none',
  };
}
