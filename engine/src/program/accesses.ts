import type { Operation, Program, ProgramMap, Step } from './program.js';

/** The maps that an operation reads and writes. A map that is changed in place is both. */
export interface Accesses {
  readonly reads: readonly ProgramMap[];
  readonly writes: readonly ProgramMap[];
}

const present = (...maps: (ProgramMap | undefined)[]): ProgramMap[] =>
  maps.filter((map) => map !== undefined);

/** What an operation reads and writes: the one place that says so. */
export function accessesOf(operation: Operation): Accesses {
  switch (operation.kind) {
    case 'convolve': {
      const { source, destination, region, others, residual } = operation;
      // With a residual, pixels outside the region are final already: they were put there before. The others of a
      // region complete what was computed at the region itself.
      const updates = region !== undefined && (others || residual !== undefined);
      return { reads: present(source, residual, updates ? destination : undefined), writes: [destination] };
    }
    case 'max-pool':
    case 'average-pool':
    case 'global-pool':
    case 'resize':
    case 'normalise-map':
    case 'gather':
    case 'scatter':
      return { reads: [operation.source], writes: [operation.destination] };
    case 'pixel-attention': {
      const { query, key, value, destination } = operation;
      return { reads: present(query, key, value), writes: [destination] };
    }
    case 'copy-channels': {
      const { source, destination, to } = operation;
      return { reads: present(source, to > 0 ? destination : undefined), writes: [destination] };
    }
    case 'multiply':
    case 'add':
      return { reads: present(operation.a, operation.b), writes: [operation.destination] };
    case 'grid-pool': {
      const { source, pooled, changed } = operation;
      return { reads: present(source, changed && pooled), writes: [pooled] };
    }
    case 'decide':
    case 'ask':
      return { reads: [operation.pooled], writes: [] };
    case 'foreign':
      return { reads: operation.inputs, writes: present(operation.output) };
    case 'index':
      return { reads: [], writes: [] };
    case 'scatter-add': {
      const { source, shortcut, destination } = operation;
      return { reads: [source, shortcut, destination], writes: [destination] };
    }
    case 'activate-others':
    case 'excite':
      return { reads: [operation.map], writes: [operation.map] };
  }
}

/**
 * What lies between the convolutions of a stream: written by one, read by the next, and gone when the stream is
 * done, for only the rows that are still to be read are kept.
 */
export function intermediatesOf({ operations }: Step): ProgramMap[] {
  return operations.flatMap((operation, i) =>
    operation.kind === 'convolve' && operations[i + 1]?.kind === 'convolve' ? [operation.destination] : [],
  );
}

/** The steps, by position, in which a map is first and last touched. The caller's own accesses lie outside: −1 for the input, `steps.length` for the output. */
export interface LiveRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Live ranges of all maps, by id; a map that no step touches has none. A stream is one step, so whatever any of
 * its operations touches is alive throughout.
 */
export function liveRanges({
  maps,
  steps,
  input,
  output,
}: Pick<Program, 'maps' | 'steps' | 'input' | 'output'>): (LiveRange | undefined)[] {
  const ranges: (LiveRange | undefined)[] = maps.map(() => undefined);
  const touch = ({ id }: ProgramMap, at: number) => {
    ranges[id] = { first: ranges[id]?.first ?? at, last: at };
  };
  touch(input, -1);
  steps.forEach(({ operations }, at) => {
    for (const operation of operations) {
      const { reads, writes } = accessesOf(operation);
      for (const map of reads) touch(map, at);
      for (const map of writes) touch(map, at);
    }
  });
  if (output) touch(output, steps.length);
  return ranges;
}
