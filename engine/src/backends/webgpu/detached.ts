import type { Operation, Program, ProgramMap, Step } from '../../program/program.js';
import { isInPlace, partsOf } from './fusions.js';
import type { Choice } from './variants.js';

/** A program for fusions, and those of its convolutions that end in a map to which all they do not compute is copied. */
export interface Detached {
  readonly program: Program;
  readonly copying: ReadonlySet<Operation>;
}

/**
 * A program in which no fusion writes the map that it reads around its pixels: workgroups take no turns, so that one could
 * read what another has written. The result is a map of its own there, and stands for the other one from then on.
 */
export function detached(program: Program, choice: Choice): Detached {
  const copying = new Set<Operation>();
  const maps = [...program.maps];
  const latest = new Map<ProgramMap, ProgramMap>();
  const current = (map: ProgramMap) => latest.get(map) ?? map;
  const steps = program.steps.map(({ operations, ...step }): Step => {
    const ends = new Set<Operation>();
    for (const part of partsOf(operations, choice)) {
      if ('fusion' in part && isInPlace(part.fusion)) ends.add(part.fusion.operations.at(-1)!);
    }
    return {
      ...step,
      operations: operations.map((operation) => {
        const renamed = withMaps(operation, current);
        if (!ends.has(operation) || operation.kind !== 'convolve') return renamed;
        const own: ProgramMap = { ...operation.destination, id: maps.length };
        maps.push(own);
        latest.set(operation.destination, own);
        const result = { ...renamed, destination: own } as Operation;
        copying.add(result);
        return result;
      }),
    };
  });
  if (latest.size === 0) return { program, copying };
  const output = program.output ? { output: current(program.output) } : {};
  return { program: { ...program, maps, steps, ...output }, copying };
}

/** The fields of operations that are maps. */
const mapFields: ReadonlySet<string> = new Set([
  ...['source', 'destination', 'residual', 'a', 'b', 'pooled', 'shortcut', 'map', 'output'],
]);

/** An operation on other maps. */
function withMaps(operation: Operation, current: (map: ProgramMap) => ProgramMap): Operation {
  const fields = Object.entries(operation).map(([name, value]) => {
    if (name === 'inputs') return [name, (value as readonly ProgramMap[]).map(current)];
    return [name, mapFields.has(name) && value !== undefined ? current(value as ProgramMap) : value];
  });
  return Object.fromEntries(fields) as Operation;
}
