import type { Convolution } from '../network/network.js';
import { isPointwise } from '../network/shapes.js';
import type { ProgramMap, ProgramRegion } from './program.js';

/** What a convolution reads for the pixels of a region. */
interface Reach {
  readonly region: ProgramRegion;
  readonly convolution: Convolution;
}

/** The first channels of a map, at all its pixels. */
interface Begun {
  readonly channels: number;
}

/** What of a map holds values: pixels, or all of them in its first channels. */
export type Held = 'all' | ProgramRegion | Begun;

/** What of each map holds values, while the steps of a program are gone through in order. */
export class HeldValues {
  readonly #held = new Map<ProgramMap, Held>();

  /** What of a map holds values; undefined where nothing does. */
  of(map: ProgramMap): Held | undefined {
    return this.#held.get(map);
  }

  /** How many channels a map is filled with that is being filled; 0 for any other. */
  channelsOf(map: ProgramMap): number {
    const held = this.of(map);
    return held !== undefined && held !== 'all' && 'channels' in held ? held.channels : 0;
  }

  set(map: ProgramMap, held: Held): void {
    this.#held.set(map, held);
  }

  delete(map: ProgramMap): void {
    this.#held.delete(map);
  }

  /** Why a map cannot be read at these pixels, or at all that a convolution reads for these; undefined when it can. */
  problem(map: ProgramMap, wanted: 'all' | ProgramRegion | Reach): string | undefined {
    const held = this.of(map);
    if (held === undefined) return `map ${map.id} holds no value here`;
    if (held === 'all') return undefined;
    if ('channels' in held) return `map ${map.id} holds its first ${held.channels} channels only`;
    const enough =
      wanted !== 'all' &&
      ('convolution' in wanted
        ? (isPointwise(wanted.convolution) && held === wanted.region) ||
          (held.reads?.of === wanted.region && held.reads.convolution === wanted.convolution)
        : held === wanted);
    return enough ? undefined : `map ${map.id} holds values at region ${held.id} only, and more is read`;
  }
}
