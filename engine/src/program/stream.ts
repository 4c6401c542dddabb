import { LONGEST_BRANCH } from '../network/longest-branch.js';
import type { Convolution } from '../network/network.js';
import { accessesOf } from './accesses.js';
import type { Convolve, Operation, OperationOf, ProgramMap } from './program.js';

/** Convolutions that one stream holds: a whole branch. The native kernels have room for as many (`most_streamed` in limits.h). */
export const MOST_STREAMED = LONGEST_BRANCH;

/**
 * True for a convolution of so few input channels that whole rows of its kernel are read at once, from a padded copy:
 * such a one does not stream.
 */
export function readsRows({ groups, inChannels, kernel, dilation }: Convolution): boolean {
  return groups === 1 && inChannels <= 4 && kernel[1] > 1 && dilation[1] === 1;
}

/**
 * True when, in a stream of these convolutions, the last may write over what the first reads: every row that it
 * writes needs as many rows beyond it as those in between reach, and the first goes on behind them.
 */
export function readsAhead(convolutions: readonly Convolution[]): boolean {
  const [first, ...rest] = convolutions;
  const reach = rest.reduce(
    (rows, { kernel, dilation, padding }) => rows + (kernel[0] - 1) * dilation[0] - padding[0],
    -first!.padding[0],
  );
  return reach >= 0 && convolutions.every(({ stride }) => stride[0] === 1);
}

/**
 * Why operations cannot run interleaved, band by band, so that each finds the rows that it reads: the forms that a
 * stream may have.
 * @returns undefined when they can
 */
export function streamProblem(operations: readonly Operation[]): string | undefined {
  const first = operations[0]!;
  if (first.kind === 'grid-pool') return pooledProblem(first, operations.slice(1));
  const last = operations.at(-1)!;
  const pool = last.kind === 'grid-pool' ? last : undefined;
  const writers = pool ? operations.slice(0, -1) : operations;
  const written = writers.at(-1)!;
  if (pool && !('destination' in written && pool.source === written.destination))
    return 'the pool at the end of a stream reads what is written before it';
  if (pool && writers.some((operation) => touches(operation, pool.pooled)))
    return `map ${pool.pooled.id} is pooled to while another operation of the stream uses it`;
  if (first.kind === 'add' || first.kind === 'scatter-add')
    return writers.length === 1 ? undefined : 'behind an addition, only a pool of what it writes streams';
  if (writers.length > MOST_STREAMED) return `at most ${MOST_STREAMED} convolutions stream`;
  if (!writers.every((operation) => operation.kind === 'convolve'))
    return 'operations stream that are convolutions of which each reads what the one before it writes, with a pool of what the last one writes';
  return convolutionsProblem(writers);
}

function pooledProblem(pool: OperationOf<'grid-pool'>, others: readonly Operation[]): string | undefined {
  const [convolve] = others;
  if (others.length !== 1 || convolve?.kind !== 'convolve' || convolve.source !== pool.source)
    return 'behind a pool, one convolution that reads the same map streams';
  if (touches(convolve, pool.pooled))
    return `map ${pool.pooled.id} is pooled to while another operation of the stream uses it`;
  return alone(convolve);
}

/** Why a convolution does not stream at all. */
function alone({ convolution, others }: Convolve): string | undefined {
  if (others) return `${convolution.name} is computed outside a region: only those of a region itself stream`;
  if (readsRows(convolution))
    return `${convolution.name} reads whole rows of its few channels from a copy, and does not stream`;
  return undefined;
}

function convolutionsProblem(writers: readonly Convolve[]): string | undefined {
  for (const [i, writer] of writers.entries()) {
    const problem = alone(writer);
    if (problem) return problem;
    const before = writers[i - 1];
    if (before && writer.source !== before.destination)
      return 'convolutions stream of which each reads what the one before it writes';
  }
  for (const [at, { destination }] of writers.entries()) {
    for (const [i, { source, residual, destination: other, convolution }] of writers.entries()) {
      if (i === at) continue;
      const name = convolution.name;
      if (residual === destination)
        return `${name} adds map ${destination.id} while another operation of the stream writes it`;
      if (other === destination) return `two operations of the stream write map ${destination.id}`;
      if (source !== destination || i === at + 1) continue;
      const outermost = i === 0 && at === writers.length - 1;
      if (!outermost || !readsAhead(writers.map((writer) => writer.convolution)))
        return `map ${destination.id} is written over while ${name} still reads rows of it`;
    }
  }
  return undefined;
}

function touches(operation: Operation, map: ProgramMap): boolean {
  const { reads, writes } = accessesOf(operation);
  return reads.includes(map) || writes.includes(map);
}
