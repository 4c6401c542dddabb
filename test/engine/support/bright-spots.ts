import { Random, Tensor } from '@fovea/engine';

/**
 * Images of a bright spot on noise each: what a mask could look for.
 * @param area that the spots are as bright as, about, in pixels
 */
export function brightSpots(count: number, side: number, area: number): Tensor {
  const random = new Random(4);
  const tensor = Tensor.zeros([count, side, side, 3]);
  for (let n = 0; n < count; n++) {
    const [cx, cy] = [random.next() * side, random.next() * side];
    for (let i = 0; i < side * side; i++) {
      const near = Math.exp(-(((i % side) - cx) ** 2 + (Math.floor(i / side) - cy) ** 2) / area);
      for (let c = 0; c < 3; c++)
        tensor.data[(n * side * side + i) * 3 + c] = 3 * near * (c + 1) + 0.1 * random.normal();
    }
  }
  return tensor;
}
