import type { ProgramMap } from '../../program/program.js';
import type { ScriptedOperation } from '../scripted.js';
import { encodeExport, encodeImport } from './everywhere.js';
import type { Launch } from './launch.js';

/** Bytes of a map's values as the CPU has them. */
export function exactBytes({ shape: [N, H, W, C] }: ProgramMap): number {
  return N * H * W * C * 4;
}

/** The way of a map from or to the CPU. */
export interface Transfer {
  readonly key: string;
  readonly map: ProgramMap;
  readonly launch: Launch;
}

/** Names a map's way. */
export const transferKey = (direction: 'import' | 'export', { id }: ProgramMap) => `${direction} ${id}`;

/** Maps that the CPU writes or reads in a run, each once. */
export function transferredMaps(
  input: ProgramMap,
  output: ProgramMap | undefined,
  stops: readonly { readonly operation: ScriptedOperation }[],
): Transfer[] {
  const found = new Map<string, Transfer>();
  const add = (direction: 'import' | 'export', map: ProgramMap) => {
    const key = transferKey(direction, map);
    const launch = direction === 'import' ? encodeImport(map) : encodeExport(map);
    found.set(key, { key, map, launch });
  };
  add('import', input);
  if (output) add('export', output);
  for (const { operation } of stops) {
    if (operation.kind === 'ask') add('export', operation.pooled);
    else {
      for (const map of operation.inputs) add('export', map);
      if (operation.output) add('import', operation.output);
    }
  }
  return [...found.values()];
}
