import { Tensor } from '../../tensor.js';

/** A tensor of the same shape, each value changed. */
export function mapped(input: Tensor, change: (value: number, index: number) => number): Tensor {
  const output = Tensor.zeros(input.shape);
  for (let i = 0; i < input.data.length; i++) output.data[i] = change(input.data[i]!, i);
  return output;
}
