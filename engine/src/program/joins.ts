import type { OperationOf } from './program.js';

/**
 * Why channels cannot be copied.
 * @param begun channels that the destination is filled with already
 * @returns undefined when they can
 */
export function copyProblem(
  { source, destination, from, count, to }: OperationOf<'copy-channels'>,
  begun: number,
): string | undefined {
  const [given, channels] = [source.shape[3], destination.shape[3]];
  if (![from, count, to].every((value) => Number.isInteger(value) && value >= 0) || count < 1)
    return `${count} channels from ${from} to ${to}; whole numbers are accepted, at least one channel`;
  if (from + count > given || to + count > channels)
    return `${count} channels from ${from} of ${given} do not go to ${to} of ${channels}`;
  if (to > 0 && to !== begun)
    return `map ${destination.id} holds its first ${begun} channels, and is filled in their order`;
  return undefined;
}

/** Why a map cannot be made larger; undefined when it can. */
export function resizeProblem({ source, destination }: OperationOf<'resize'>): string | undefined {
  const grows = source.shape.every((extent, axis) => {
    const factor = destination.shape[axis]! / extent;
    return axis === 1 || axis === 2 ? Number.isInteger(factor) && factor >= 1 : factor === 1;
  });
  return grows ? undefined : 'a map is made larger by whole factors, its images and channels kept';
}

/** Why one map cannot be multiplied by another; undefined when it can. */
export function productProblem({ a, b, destination }: OperationOf<'multiply'>): string | undefined {
  const [N, H, W, C] = a.shape;
  const same = b.shape.join() === a.shape.join();
  const smaller = [
    [N, 1, 1, C],
    [N, H, W, 1],
  ].some((shape) => shape.join() === b.shape.join());
  if (destination.shape.join() !== a.shape.join() || !(same || smaller))
    return `sizes [${[a, b, destination].map(({ shape }) => shape.join(', ')).join('], [')}] do not fit`;
  return !same && b === destination ? `map ${b.id} is written while it is read` : undefined;
}
