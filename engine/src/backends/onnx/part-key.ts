import type { Convolution } from '../../network/network.js';
import type { PixelAttention } from '../../network/pixel-attention.js';
import { attentionText } from '../../network/pixel-biases.js';
import type { ProgramMap, ProgramRegion } from '../../program/program.js';
import type { Held } from './graph-writer.js';
import { tileOf } from './lists.js';
import type { GraphPart } from './parts.js';

/** Numbers things in the order in which they are first asked about. */
class Numbers<Thing extends object> {
  readonly #known = new Map<Thing, number>();

  of(thing: Thing): number {
    const known = this.#known.get(thing);
    if (known !== undefined) return known;
    this.#known.set(thing, this.#known.size);
    return this.#known.size - 1;
  }
}

/** Names parts so that those of which the same graph is written have one name, whatever program they belong to. */
export class PartKeys {
  readonly #convolutions = new Numbers<Convolution>();

  /** What `writeGraph` makes of the same is the same graph for the same name. */
  of(
    { operations, inputs, outputs, dense }: GraphPart,
    held: ReadonlyMap<ProgramMap, Held>,
    isEmpty: (region: ProgramRegion) => boolean,
  ): string {
    const [maps, regions] = [new Numbers<ProgramMap>(), new Numbers<ProgramRegion>()];
    const regionText = (region: ProgramRegion) => {
      const of = region.reads ? ` reads ${this.#convolutions.of(region.reads.convolution)}` : ' own';
      return `@${regions.of(region)}${isEmpty(region) ? ' empty' : ''}${of}`;
    };
    const mapText = (map: ProgramMap) => `%${maps.of(map)} [${map.shape}]`;
    const valueText = (value: unknown): string => {
      if (typeof value !== 'object' || value === null) return String(value);
      if ('layout' in value) return mapText(value as ProgramMap);
      if ('pixels' in value) return regionText(value as ProgramRegion);
      if ('weight' in value) return `#${this.#convolutions.of(value as Convolution)}`;
      if ('heads' in value) return attentionText(value as PixelAttention);
      return JSON.stringify(value);
    };
    const lines = operations.map(({ operation }) => {
      const fields = Object.entries(operation).map(([name, value]) => `${name} ${valueText(value)}`);
      // A grouped convolution's tiles are as large as its mask's cells.
      const tiled = operation.kind === 'convolve' && operation.convolution.groups > 1 && operation.region;
      return `${fields.join(', ')}${tiled ? `, tiles of ${tileOf(tiled)}` : ''}`;
    });
    const read = inputs.map((map) => {
      const known = held.get(map);
      if (!known) return `${mapText(map)} nothing`;
      return `${mapText(map)}${known.region ? regionText(known.region) : ''}`;
    });
    return `${dense ? 'dense' : 'adaptive'}: ${read.join(' ')} -> ${outputs.map(mapText).join(' ')}: ${lines.join('; ')}`;
  }
}
