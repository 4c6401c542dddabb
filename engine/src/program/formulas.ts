import { leavesUnchanged } from '../network/activation.js';
import { attentionLayers } from '../network/attention.js';
import type { Convolution, ConvolutionActivation } from '../network/network.js';
import { attentionText } from '../network/pixel-biases.js';
import { isPointwise } from '../network/shapes.js';
import { haloOf, packedRegion } from './layout.js';
import type {
  Convolve,
  Excite,
  Operation,
  OperationOf,
  ProgramHalo,
  ProgramMap,
  ProgramMask,
  ProgramRegion,
} from './program.js';

/** What a map holds: a formula at the pixels of a region and another one outside it, or one everywhere. */
interface Content {
  readonly region: ProgramRegion | undefined;
  readonly inside: string;
  readonly outside: string;
}

type GridPool = OperationOf<'grid-pool'>;

const ZERO = '0';
const NOTHING = 'nothing';

/**
 * Follows what steps compute, as formulas over what the maps hold before the first of them: `%2` is what map 2 holds
 * then. Where, in how many passes, in which layout and over which memory something is computed leaves its formula as it
 * is, so two lists of steps compute the same if they leave the same formulas.
 */
export class Formulas {
  readonly #contents = new Map<ProgramMap, Content>();
  readonly #decisions = new Map<ProgramMask, string>();
  /** Formulas of which it is known what activation made them. */
  readonly #made = new Map<string, ConvolutionActivation>();

  /** @param nameOf a name for each convolution */
  constructor(readonly nameOf: (convolution: Convolution) => string) {}

  /** Says what is known of a map before the first step: what activation made it. */
  begin(map: ProgramMap, made: ConvolutionActivation): void {
    this.#made.set(symbolOf(map), made);
  }

  /** Says that a map holds another one pooled to the grid of a mask. */
  beginPooled(pooled: ProgramMap, source: ProgramMap, mask: ProgramMask): void {
    this.#set(pooled, everywhere(poolOf(this.#whole(source), mask)));
  }

  /** What a map holds. */
  of(map: ProgramMap): string {
    return this.#whole(map);
  }

  /** What each mask is decided by that the steps decide or index. */
  get decisions(): ReadonlyMap<ProgramMask, string> {
    return this.#decisions;
  }

  /** Follows the next operation. */
  perform(operation: Operation): void {
    switch (operation.kind) {
      case 'convolve':
        this.#set(operation.destination, this.#convolved(operation));
        break;
      case 'max-pool':
      case 'average-pool': {
        const { kind, source, destination, kernel, stride, padding, countPadding } = operation;
        const window = `${kernel.join('x')}/${stride.join('x')} ${padding.join(' ')} ${countPadding}`;
        this.#set(destination, everywhere(`${kind} ${window}(${this.#whole(source)})`));
        break;
      }
      case 'global-pool':
        this.#set(operation.destination, everywhere(`global-pool(${this.#whole(operation.source)})`));
        break;
      case 'copy-channels': {
        const { source, destination, from, count, to } = operation;
        const before = to > 0 ? `${this.#whole(destination)}, ` : '';
        const copied = `channels ${from} to ${from + count - 1}(${this.#whole(source)})`;
        this.#set(destination, everywhere(`${before}${copied}`));
        break;
      }
      case 'resize': {
        const { source, destination, interpolation } = operation;
        const [height, width] = [1, 2].map((axis) => destination.shape[axis]);
        const whole = this.#whole(source);
        this.#set(destination, everywhere(`resize ${interpolation} ${height}x${width}(${whole})`));
        break;
      }
      case 'normalise-map': {
        const { source, destination, by, groups, epsilon } = operation;
        this.#set(
          destination,
          everywhere(`normalised by ${by} ${groups} ${epsilon}(${this.#whole(source)})`),
        );
        break;
      }
      case 'pixel-attention': {
        const { attention, query, key, value, destination } = operation;
        const read = [...(query ? [query] : []), key, value].map((map) => this.#whole(map)).join(', ');
        this.#set(destination, everywhere(`attended ${attentionText(attention)}(${read})`));
        break;
      }
      case 'multiply': {
        const { a, b, destination } = operation;
        this.#set(destination, everywhere(`product(${this.#whole(a)}, ${this.#whole(b)})`));
        break;
      }
      case 'add': {
        const { a, b, destination, activation } = operation;
        const sum = b ? sumOf(this.#content(a), this.#content(b)) : this.#content(a);
        this.#set(destination, this.#activated(activation, sum));
        break;
      }
      case 'grid-pool':
        this.#set(operation.pooled, everywhere(this.#pooled(operation)));
        break;
      case 'decide': {
        const { mask, pooled, decider } = operation;
        const rule = decider.kind === 'salient' ? `salient ${decider.rate}` : 'learned';
        this.#decide(mask, `decided ${rule} by ${this.#whole(pooled)}`);
        break;
      }
      case 'ask':
        this.#decide(operation.mask, `asked of ${this.#whole(operation.pooled)}`);
        break;
      case 'index':
        this.#decide(operation.mask, 'indexed');
        break;
      case 'foreign': {
        const { node, inputs, output } = operation;
        const read = inputs.map((map) => this.#whole(map)).join(', ');
        if (output) this.#set(output, everywhere(`${node.name}(${read})`));
        break;
      }
      case 'gather': {
        const { source, destination } = operation;
        this.#set(destination, everywhere(this.#reached(source, haloOf(destination))));
        break;
      }
      case 'scatter': {
        const { source, destination } = operation;
        const region = packedRegion(source);
        this.#set(destination, { region, inside: this.#at(source, region), outside: ZERO });
        break;
      }
      case 'scatter-add': {
        const { source, destination, region, shortcut, activation } = operation;
        const sum = plus(this.#at(shortcut, region), this.#at(source, region));
        const outside = this.#outside(destination, region);
        this.#set(destination, { region, inside: this.#activate(activation, sum), outside });
        break;
      }
      case 'activate-others': {
        const { map, region, activation } = operation;
        const outside = this.#activate(activation, this.#outside(map, region));
        this.#set(map, { region, inside: this.#at(map, region), outside });
        break;
      }
      case 'excite':
        this.#set(operation.map, this.#excited(operation));
        break;
      default:
        operation satisfies never;
    }
  }

  #convolved({ convolution, source, destination, region, others, residual, activation }: Convolve): Content {
    const read = others || !region ? this.#whole(source) : this.#reached(source, { region, convolution });
    const made = `${this.nameOf(convolution)}(${read})`;
    if (!region) {
      const sum = residual ? sumOf(this.#content(residual), everywhere(made)) : everywhere(made);
      return this.#activated(activation, sum);
    }
    if (others) {
      const sum = residual ? plus(this.#outside(residual, region), made) : made;
      return { region, inside: this.#at(destination, region), outside: this.#activate(activation, sum) };
    }
    const sum = residual ? plus(this.#at(residual, region), made) : made;
    return {
      region,
      inside: this.#activate(activation, sum),
      outside: residual ? this.#outside(destination, region) : NOTHING,
    };
  }

  #excited({ map, attention, pooledOver, scaled }: Excite): Content {
    const pooled = `${this.#at(map, pooledOver)}${pooledOver ? ` at @${pooledOver.id}` : ''}`;
    const layers = attentionLayers(attention).map(({ convolution }) => this.nameOf(convolution));
    const { pools, epsilon = '' } = attention;
    const factor = `excite ${pools.join('+')}${epsilon} ${layers.join(' ')} ${pooled}`;
    const inside = `(${this.#at(map, scaled)} by ${factor})`;
    return scaled ? { region: scaled, inside, outside: this.#outside(map, scaled) } : everywhere(inside);
  }

  /** Pooling only what has changed is pooling everything if the rest was pooled before. */
  #pooled({ source, pooled, mask, changed }: GridPool): string {
    const whole = poolOf(this.#whole(source), mask);
    if (!changed) return whole;
    const before = this.#whole(pooled);
    if (before === poolOf(this.#outside(source, changed.region), mask)) return whole;
    return `${whole} where @${changed.region.id} changed, ${before} elsewhere`;
  }

  #decide(mask: ProgramMask, how: string): void {
    const before = this.#decisions.get(mask);
    this.#decisions.set(mask, before ? `${before}, ${how}` : how);
  }

  /** The same inside and outside is the same everywhere. */
  #set(map: ProgramMap, content: Content): void {
    const { inside, outside } = content;
    this.#contents.set(map, inside === outside ? everywhere(inside) : content);
  }

  #content(map: ProgramMap): Content {
    return this.#contents.get(map) ?? everywhere(symbolOf(map));
  }

  /** All of a map. */
  #whole(map: ProgramMap): string {
    return textOf(this.#content(map));
  }

  /** At the pixels of a region, or everywhere where there is none. */
  #at(map: ProgramMap, wanted: ProgramRegion | undefined): string {
    const { region, inside } = this.#content(map);
    return region === undefined || region === wanted ? inside : this.#whole(map);
  }

  #outside(map: ProgramMap, wanted: ProgramRegion): string {
    const { region, inside, outside } = this.#content(map);
    if (region === undefined) return inside;
    return region === wanted ? outside : this.#whole(map);
  }

  /** What a convolution reads for the pixels of a region. */
  #reached(map: ProgramMap, { region: wanted, convolution }: Omit<ProgramHalo, 'id'>): string {
    const { region, inside } = this.#content(map);
    const enough =
      region === undefined ||
      (region === wanted && isPointwise(convolution)) ||
      (region.reads?.of === wanted && region.reads.convolution === convolution);
    return enough ? inside : this.#whole(map);
  }

  #activated(activation: ConvolutionActivation, { region, inside, outside }: Content): Content {
    const change = (formula: string) => this.#activate(activation, formula);
    return region ? { region, inside: change(inside), outside: change(outside) } : everywhere(change(inside));
  }

  #activate(activation: ConvolutionActivation, formula: string): string {
    const before = this.#made.get(formula);
    if (activation === 'none' || (before && leavesUnchanged(activation, before))) return formula;
    const made = `${activation}(${formula})`;
    this.#made.set(made, activation);
    return made;
  }
}

const symbolOf = ({ id }: ProgramMap) => `%${id}`;
const poolOf = (formula: string, { rows, columns }: ProgramMask) => `pool ${rows}x${columns}(${formula})`;
const everywhere = (formula: string): Content => ({ region: undefined, inside: formula, outside: formula });

function textOf({ region, inside, outside }: Content): string {
  return region ? `[${inside} at @${region.id}, ${outside} elsewhere]` : inside;
}

function sumOf(a: Content, b: Content): Content {
  if (a.region && b.region && a.region !== b.region) return everywhere(plus(textOf(a), textOf(b)));
  return {
    region: a.region ?? b.region,
    inside: plus(a.inside, b.inside),
    outside: plus(a.outside, b.outside),
  };
}

/** What is held nowhere stays so; zeros change nothing. */
function plus(a: string, b: string): string {
  if (a === NOTHING || b === NOTHING) return NOTHING;
  if (a === ZERO) return b;
  if (b === ZERO) return a;
  return a < b ? `(${a} + ${b})` : `(${b} + ${a})`;
}
