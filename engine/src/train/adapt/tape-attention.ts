import type { PixelAttention } from '../../network/network.js';
import { attendedOutput, pixelWeightings } from '../../network/pixel-attention.js';
import type { Tape, Value } from './tape.js';

/** What an attention over pixels reads; a context has no query. */
interface Attended {
  readonly query?: Value;
  readonly key: Value;
  readonly value: Value;
}

/** Attention over pixels; its gradients go to queries, keys and values. */
export function attendPixels(tape: Tape, attention: PixelAttention, { query, key, value }: Attended): Value {
  const read = [query ?? key, key, value] as const;
  const shapes = { query: query?.shape, key: key.shape, value: value.shape };
  const output = tape.make(
    attendedOutput(attention, shapes),
    read.some(({ learned }) => learned),
  );
  const { by, heads, depth, width, patch, scale, epsilon } = attention;
  const [N, height, columns, channels] = read[0].shape;
  const places = [attention.query ?? attention.key, attention.key, attention.value];
  const dims = [
    ...[N, height, columns, channels, ...key.shape.slice(1), value.shape[3]],
    ...[pixelWeightings.indexOf(by), heads, depth, width],
    ...places.flatMap(({ first, step }) => [first, step]),
    ...patch,
  ];
  const numbers = Float32Array.of(scale, epsilon);
  const arrays = read.map(({ array }) => array);
  tape.emit('pixel-attention', dims, ...arrays, numbers, output.array);
  tape.onBackward(() => {
    const slope = tape.takeSlope(output);
    if (!slope) return;
    // Queries, keys and values are often channels of one map.
    const into = new Map<Value['array'], Float32Array>();
    const clears: number[] = [];
    const gradients = read.map((input) => {
      const known = into.get(input.array);
      const gradient = known ?? tape.take(input.array.length);
      clears.push(known ? 0 : 1);
      into.set(input.array, gradient);
      return gradient;
    });
    tape.emit('pixel-attention-dx', [...dims, ...clears], slope, ...arrays, numbers, ...gradients);
    tape.give(slope);
    for (const [array, gradient] of into) {
      const input = read.find((each) => each.array === array)!;
      if (input.learned) tape.addSlope(input, gradient);
      else tape.give(gradient);
    }
  });
  return output;
}
