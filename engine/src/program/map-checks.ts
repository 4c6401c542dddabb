import { FoveaError } from '../errors.js';
import type { Shape } from '../tensor.js';
import { HeldValues } from './held-values.js';
import type { Program, ProgramMap, ProgramRegion } from './program.js';

/** What of a program is there before its first step: tables that may still grow while steps are checked. */
export type ProgramTables = Pick<Program, 'maps' | 'masks' | 'regions' | 'halos' | 'given'>;

/** What operations ask of the maps that they read and write; each throws FoveaError `bad-argument` where it is not so. */
export class MapChecks {
  readonly held = new HeldValues();
  /** What is checked, for messages. */
  where = 'the program';

  constructor(private readonly program: ProgramTables) {}

  /** That a map, and what its layout goes by, belongs to the program. */
  ours(map: ProgramMap): void {
    const { maps, regions, halos } = this.program;
    this.need(maps[map.id] === map, `map ${map.id} is not the program's`);
    const { layout } = map;
    if (layout.kind === 'packed')
      this.need(
        regions[layout.region.id] === layout.region,
        `the rows of map ${map.id} are not the program's`,
      );
    if (layout.kind === 'halo')
      this.need(halos[layout.halo.id] === layout.halo, `the cells of map ${map.id} are not the program's`);
  }

  /** That a map has its pixels in raster order, all of them. */
  whole({ id, layout }: ProgramMap): void {
    this.need(layout.kind === 'map', `map ${id} is ${layout.kind}, not a whole map`);
  }

  /** @param problem said where the condition does not hold */
  need(condition: boolean, problem: string): void {
    if (!condition) throw new FoveaError('bad-argument', `${this.where}: ${problem}`);
  }

  /** That there is no problem. */
  fine(problem: string | undefined): void {
    this.need(problem === undefined, problem ?? '');
  }

  /** That an operation does not write where it reads other pixels. */
  apart(source: ProgramMap, destination: ProgramMap): void {
    this.need(source !== destination, `map ${source.id} is written while it is read`);
  }

  /** That the pixels of a region, or all where there is none, are found in a map's layout. */
  rowsOf({ id, layout }: ProgramMap, region: ProgramRegion | undefined): void {
    this.need(
      layout.kind === 'map' || (layout.kind === 'packed' && layout.region === region),
      `map ${id} holds the rows of ${layout.kind === 'packed' ? 'another region' : 'gathered cells'}`,
    );
  }

  /** That maps have one shape. */
  same(a: Shape, b: Shape): void {
    this.need(
      a.every((extent, axis) => extent === b[axis]),
      `maps of [${a.join(', ')}] and [${b.join(', ')}] do not fit`,
    );
  }

  /** That a map holds values at these pixels, or at all that a convolution reads for these. */
  reads(map: ProgramMap, wanted: Parameters<HeldValues['problem']>[1]): void {
    this.fine(this.held.problem(map, wanted));
  }
}
