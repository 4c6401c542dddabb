import type { NormaliseMapNode } from '../../network/network.js';
import { Tensor } from '../../tensor.js';

/** A map normalised by statistics of each image. */
export function normalisedMap(
  input: Tensor,
  { by, groups, epsilon }: Pick<NormaliseMapNode, 'by' | 'groups' | 'epsilon'>,
): Tensor {
  const [N, H, W, C] = input.shape;
  const output = Tensor.zeros(input.shape);
  const [plane, size] = [H * W, C / groups];
  for (let n = 0; n < N; n++) {
    /** Sum over the pixels of one channel. */
    const sumOf = (c: number, of: (value: number) => number) => {
      let sum = 0;
      for (let pixel = 0; pixel < plane; pixel++) sum += of(input.data[(n * plane + pixel) * C + c]!);
      return sum;
    };
    const channels = Array.from({ length: C }, (_, c) => c);
    for (let first = 0; first < C; first += size) {
      const group = channels.slice(first, first + size);
      const meanOf = (of: (c: number) => number) => group.reduce((sum, c) => sum + of(c), 0) / size;
      const around = by === 'moments' ? meanOf((c) => sumOf(c, (value) => value)) / plane : 0;
      const squares = group.map((c) => sumOf(c, (value) => (value - around) ** 2));
      const norms = squares.map(Math.sqrt);
      const factors =
        by === 'moments'
          ? group.map(() => 1 / Math.sqrt(meanOf((c) => squares[c - first]!) / plane + epsilon))
          : norms.map((norm) => norm / (meanOf((c) => norms[c - first]!) + epsilon));
      for (let pixel = 0; pixel < plane; pixel++) {
        for (const c of group) {
          const at = (n * plane + pixel) * C + c;
          output.data[at] = (input.data[at]! - around) * factors[c - first]!;
        }
      }
    }
  }
  return output;
}
