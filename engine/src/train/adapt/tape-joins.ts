import type { NormaliseMapNode, ResizeNode } from '../../network/network.js';
import { mapStatistics } from '../../network/normalisation.js';
import { interpolations } from '../../network/sampling.js';
import type { Tape, Value } from './tape.js';

/** What the operation `channels` does with those it writes and those beside them: see engine/native/train/op_joins.cc. */
const channelsHow = { copy: 0, add: 1, copyAndClearOthers: 2 } as const;

/** Maps of one size, one behind the other along the channels. */
export function concat(tape: Tape, inputs: readonly Value[]): Value {
  const [N, H, W] = inputs[0]!.shape;
  const C = inputs.reduce((sum, { shape }) => sum + shape[3], 0);
  const learned = inputs.some((input) => input.learned);
  const output = tape.make([N, H, W, C], learned);
  let to = 0;
  const parts = inputs.map((input) => {
    const count = input.shape[3];
    const part = { input, count, to };
    tape.emit('channels', [N * H * W, count, C, 0, to, count, channelsHow.copy], input.array, output.array);
    to += count;
    return part;
  });
  tape.onBackward(() => {
    const slope = tape.takeSlope(output);
    if (!slope) return;
    for (const { input, count, to: from } of parts) {
      if (!input.learned) continue;
      const { array, accumulate } = tape.slopeInto(input);
      const how = accumulate ? channelsHow.add : channelsHow.copy;
      tape.emit('channels', [N * H * W, C, count, from, 0, count, how], slope, array);
    }
    tape.give(slope);
  });
  return output;
}

/** Some adjacent channels. */
export function slice(tape: Tape, input: Value, first: number, channels: number): Value {
  const [N, H, W, C] = input.shape;
  const output = tape.make([N, H, W, channels], input.learned);
  tape.emit(
    'channels',
    [N * H * W, C, channels, first, 0, channels, channelsHow.copy],
    input.array,
    output.array,
  );
  tape.onBackward(() => {
    const slope = tape.takeSlope(output);
    if (!slope) return;
    if (input.learned) {
      const { array, accumulate } = tape.slopeInto(input);
      const how = accumulate ? channelsHow.add : channelsHow.copyAndClearOthers;
      tape.emit('channels', [N * H * W, channels, C, 0, first, channels, how], slope, array);
    }
    tape.give(slope);
  });
  return output;
}

/** A map made larger. */
export function resize(
  tape: Tape,
  input: Value,
  { factor, interpolation }: Pick<ResizeNode, 'factor' | 'interpolation'>,
): Value {
  const [N, H, W, C] = input.shape;
  const output = tape.make([N, H * factor[0], W * factor[1], C], input.learned);
  const dims = [N, H, W, C, ...factor, interpolations.indexOf(interpolation)];
  tape.emit('resize', dims, input.array, output.array);
  tape.onBackward(() => {
    const slope = tape.takeSlope(output);
    if (!slope) return;
    if (input.learned) {
      const into = tape.take(N * H * W * C);
      tape.emit('resize-dx', dims, slope, into);
      tape.addSlope(input, into);
    }
    tape.give(slope);
  });
  return output;
}

/** A map normalised by statistics of each image. */
export function normaliseMap(
  tape: Tape,
  input: Value,
  { by, groups, epsilon }: Pick<NormaliseMapNode, 'by' | 'groups' | 'epsilon'>,
): Value {
  const [N, H, W, C] = input.shape;
  const output = tape.make(input.shape, input.learned);
  const dims = [N, H * W, C, groups, mapStatistics.indexOf(by)];
  const small = Float32Array.of(epsilon);
  tape.emit('normalise-map', dims, input.array, small, output.array);
  tape.onBackward(() => {
    const slope = tape.takeSlope(output);
    if (!slope) return;
    if (!input.learned) return tape.give(slope);
    tape.emit('normalise-map-dx', dims, slope, input.array, small, slope);
    tape.addSlope(input, slope);
  });
  return output;
}
