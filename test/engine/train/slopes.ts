import { Random } from '@fovea/engine';
import { beforeEach, expect } from 'vitest';
import { type TrainBuffer, TrainProgram } from '../../../engine/src/train/train-program.js';

/** The generator that tests of gradients draw from: each test from its beginning, whatever others have drawn. */
export let random = new Random(7);
beforeEach(() => {
  random = new Random(7);
});

/** Seeded normal values. */
export const normal = (length: number) => Float32Array.from({ length }, () => random.normal());

/** Stops nothing. */
export const stop = new Int32Array(1);

/** Runs one operation. */
export async function execute(op: string, dims: readonly number[], ...buffers: TrainBuffer[]): Promise<void> {
  await new TrainProgram([{ op, dims, buffers }]).run(2, stop);
}

export const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i]!, 0);

/**
 * The derivative of `value` along a random direction of `input`, by central differences, beside the one
 * that the analytic gradient gives.
 */
export async function slopes(
  input: Float32Array,
  gradient: Float32Array,
  value: () => Promise<number>,
  step = 1e-2,
) {
  const direction = normal(input.length);
  const start = input.slice();
  const at = async (distance: number) => {
    for (let i = 0; i < input.length; i++) input[i] = start[i]! + distance * direction[i]!;
    const result = await value();
    input.set(start);
    return result;
  };
  const [after, before] = [await at(step), await at(-step)];
  const numeric = (after - before) / (2 * step);
  // Values are summed in single precision, otherwise by each instruction set.
  const rounding = ((Math.abs(after) + Math.abs(before)) * 2 ** -23) / (2 * step);
  // Along random directions, the derivative is about as large as the gradient is long.
  return {
    numeric,
    rounding,
    analytic: dot(gradient, direction),
    length: Math.sqrt(dot(gradient, gradient)),
  };
}

export function expectClose(
  { numeric, rounding, analytic, length }: Awaited<ReturnType<typeof slopes>>,
  tolerance = 0.01,
) {
  expect(length).toBeGreaterThan(0);
  expect(Math.abs(numeric - analytic)).toBeLessThan(tolerance * length + rounding);
}
