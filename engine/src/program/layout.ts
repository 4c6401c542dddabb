import type { ProgramHalo, ProgramMap, ProgramRegion } from './program.js';

/** The region whose rows a packed map holds. */
export function packedRegion({ id, layout }: ProgramMap): ProgramRegion {
  if (layout.kind !== 'packed') throw new Error(`map ${id} is not packed`);
  return layout.region;
}

/** The halo whose rows a gathered map holds. */
export function haloOf({ id, layout }: ProgramMap): ProgramHalo {
  if (layout.kind !== 'halo') throw new Error(`map ${id} is not gathered`);
  return layout.halo;
}
