import { FoveaError } from '../errors.js';
import { fitsChannels } from '../network/attention.js';
import type { Convolution } from '../network/network.js';
import { mapNormalisationProblem, normalisationFits } from '../network/normalisation.js';
import { convolutionOutput, isPointwise } from '../network/shapes.js';
import type { Shape } from '../tensor.js';
import { accessesOf, intermediatesOf } from './accesses.js';
import { HeldValues } from './held-values.js';
import { copyProblem, productProblem, resizeProblem } from './joins.js';
import {
  type Convolve,
  type Excite,
  MOST_BAND_PIXELS,
  type Operation,
  type OperationOf,
  type Program,
  type ProgramMap,
  type ProgramMask,
  type ProgramRegion,
  type Step,
} from './program.js';
import { streamProblem } from './stream.js';

/** What of a program is there before its first step: tables that may still grow while steps are checked. */
export type ProgramTables = Pick<Program, 'maps' | 'masks' | 'regions' | 'halos' | 'given'>;

/**
 * Checks that a program computes what it says: the specification of programs, as code. Sizes fit, every value is
 * written before it is read and at all pixels that are read of it, masks are decided before they are indexed and
 * indexed before their regions are used, and streams are of a form whose operations can run interleaved.
 *
 * @returns the program as given
 * @throws FoveaError `bad-argument` naming the step, the operation and what is wrong with it
 */
export function verifyProgram(program: Program): Program {
  const verifier = new Verifier(program, program.input);
  verifier.upTo(program.steps);
  if (program.output) verifier.finish(program.output);
  return program;
}

/** Checks a program step by step, in order. */
export class Verifier {
  readonly #held = new HeldValues();
  readonly #decided = new Set<ProgramMask>();
  readonly #indexed = new Set<ProgramMask>();
  #where = 'the program';
  #seen = 0;

  /** @param inputs maps that hold values at all their pixels before the first step */
  constructor(
    readonly program: ProgramTables,
    ...inputs: readonly ProgramMap[]
  ) {
    for (const input of inputs) this.#held.set(input, 'all');
  }

  /**
   * Checks those of a program's steps that have not been checked yet.
   * @throws FoveaError `bad-argument`
   */
  upTo(steps: readonly Step[]): void {
    while (this.#seen < steps.length) this.step(steps[this.#seen]!, `step ${this.#seen}`);
  }

  /**
   * Checks the next step.
   * @param name what to call it in a message
   * @throws FoveaError `bad-argument`
   */
  step(step: Step, name: string): void {
    this.#where = name;
    this.#seen++;
    this.#need(step.operations.length > 0, 'a step does at least one thing');
    const { bandPixels } = step;
    this.#need(
      bandPixels === undefined ||
        (Number.isInteger(bandPixels) &&
          bandPixels >= 1 &&
          bandPixels <= MOST_BAND_PIXELS &&
          step.operations.length > 1),
      `bands of ${bandPixels} pixels; a stream may have an integer from 1 to ${MOST_BAND_PIXELS}`,
    );
    if (step.operations.length > 1) this.#fine(streamProblem(step.operations));
    for (const operation of step.operations) {
      this.#where = `${name} (${operation.kind})`;
      const { reads, writes } = accessesOf(operation);
      for (const map of [...reads, ...writes]) this.#ours(map);
      const dtypes = new Set([...reads, ...writes].map(({ dtype }) => dtype));
      const types = [...dtypes].join(' and ');
      this.#need(dtypes.size < 2, `maps of ${types}; those of one operation have one type`);
      for (const map of reads)
        this.#need(this.#held.of(map) !== undefined, `map ${map.id} holds no value here`);
      this.#operation(operation);
    }
    for (const map of intermediatesOf(step)) this.#held.delete(map);
  }

  /** Checks that the program's output is there after the last step. */
  finish(output: ProgramMap): void {
    this.#where = 'the output';
    this.#whole(output);
    this.#reads(output, 'all');
  }

  #isDecided(mask: ProgramMask): boolean {
    return this.#decided.has(mask) || this.program.given.includes(mask);
  }

  /** That a map, and what its layout goes by, belongs to the program. */
  #ours(map: ProgramMap): void {
    const { maps, regions, halos } = this.program;
    this.#need(maps[map.id] === map, `map ${map.id} is not the program's`);
    const { layout } = map;
    if (layout.kind === 'packed')
      this.#need(
        regions[layout.region.id] === layout.region,
        `the rows of map ${map.id} are not the program's`,
      );
    if (layout.kind === 'halo')
      this.#need(halos[layout.halo.id] === layout.halo, `the cells of map ${map.id} are not the program's`);
  }

  #ourMask(mask: ProgramMask): void {
    this.#need(this.program.masks[mask.id] === mask, `mask ${mask.id} is not the program's`);
  }

  /** That a map has its pixels in raster order, all of them. */
  #whole({ id, layout }: ProgramMap): void {
    this.#need(layout.kind === 'map', `map ${id} is ${layout.kind}, not a whole map`);
  }

  #need(condition: boolean, problem: string): void {
    if (!condition) throw new FoveaError('bad-argument', `${this.#where}: ${problem}`);
  }

  /** That there is no problem. */
  #fine(problem: string | undefined): void {
    this.#need(problem === undefined, problem ?? '');
  }

  #operation(operation: Operation): void {
    switch (operation.kind) {
      case 'convolve':
        this.#convolve(operation);
        return;
      case 'max-pool':
      case 'average-pool':
      case 'global-pool': {
        const { source, destination } = operation;
        this.#fromWhole(operation);
        this.#need(
          source.shape[0] === destination.shape[0] && source.shape[3] === destination.shape[3],
          'a pool keeps images and channels',
        );
        this.#held.set(destination, 'all');
        return;
      }
      case 'copy-channels':
        this.#copyChannels(operation);
        return;
      case 'resize':
        this.#fromWhole(operation);
        this.#fine(resizeProblem(operation));
        this.#held.set(operation.destination, 'all');
        return;
      case 'normalise-map': {
        const { source, destination } = operation;
        for (const map of [source, destination]) this.#whole(map);
        this.#reads(source, 'all');
        this.#same(source.shape, destination.shape);
        this.#fine(mapNormalisationProblem(operation, source.shape[3]));
        this.#held.set(destination, 'all');
        return;
      }
      case 'multiply':
        for (const map of [operation.a, operation.b]) {
          this.#whole(map);
          this.#reads(map, 'all');
        }
        this.#whole(operation.destination);
        this.#fine(productProblem(operation));
        this.#held.set(operation.destination, 'all');
        return;
      case 'add': {
        const { a, b, destination } = operation;
        this.#whole(destination);
        for (const map of b ? [a, b] : [a]) {
          this.#whole(map);
          this.#reads(map, 'all');
          this.#same(map.shape, destination.shape);
        }
        this.#held.set(destination, 'all');
        return;
      }
      case 'grid-pool': {
        const { source, pooled, mask, changed } = operation;
        for (const map of [source, pooled]) this.#whole(map);
        this.#apart(source, pooled);
        this.#reads(source, 'all');
        this.#onGrid(pooled, mask);
        this.#need(pooled.shape[3] === source.shape[3], 'a pool keeps channels');
        if (changed) {
          this.#need(this.#isDecided(changed.mask), `mask ${changed.mask.id} is not decided yet`);
          this.#covers(source, changed.region);
          this.#need(
            changed.region.mask === changed.mask && changed.region.reads === undefined,
            `region ${changed.region.id} is not where mask ${changed.mask.id} is active`,
          );
        }
        this.#held.set(pooled, 'all');
        return;
      }
      case 'decide':
      case 'ask':
        this.#reads(operation.pooled, 'all');
        this.#onGrid(operation.pooled, operation.mask);
        this.#whole(operation.pooled);
        this.#need(!this.#isDecided(operation.mask), `mask ${operation.mask.id} is decided twice`);
        this.#decided.add(operation.mask);
        return;
      case 'foreign':
        for (const input of operation.inputs) this.#reads(input, 'all');
        if (operation.output) this.#held.set(operation.output, 'all');
        return;
      case 'index':
        this.#ourMask(operation.mask);
        this.#need(this.#isDecided(operation.mask), `mask ${operation.mask.id} is not decided yet`);
        this.#indexed.add(operation.mask);
        return;
      case 'gather': {
        const { source, destination } = operation;
        const { layout } = destination;
        this.#need(layout.kind === 'halo', 'cells are gathered to a map of cells with halo');
        this.#whole(source);
        if (layout.kind === 'halo') {
          const { region } = layout.halo;
          this.#usable(region);
          this.#need(
            destination.shape[3] === source.shape[3] && source.shape[0] === region.mask.batch,
            'gathering keeps images and channels',
          );
          this.#reads(source, layout.halo);
        }
        this.#held.set(destination, 'all');
        return;
      }
      case 'scatter': {
        const { source, destination } = operation;
        const { layout } = source;
        this.#need(layout.kind === 'packed', 'packed rows are scattered');
        this.#whole(destination);
        this.#need(destination.shape[3] === source.shape[3], 'scattering keeps channels');
        if (layout.kind === 'packed') {
          this.#covers(destination, layout.region);
          this.#reads(source, layout.region);
        }
        this.#held.set(destination, 'all');
        return;
      }
      case 'scatter-add': {
        const { source, destination, region, shortcut } = operation;
        for (const map of [destination, shortcut]) this.#whole(map);
        this.#apart(source, destination);
        this.#same(source.shape, destination.shape);
        this.#rowsOf(source, region);
        this.#reads(source, region);
        this.#reads(shortcut, region);
        this.#reads(destination, 'all');
        this.#same(shortcut.shape, destination.shape);
        this.#covers(destination, region);
        return;
      }
      case 'activate-others':
        this.#whole(operation.map);
        this.#reads(operation.map, 'all');
        this.#covers(operation.map, operation.region);
        return;
      case 'excite':
        this.#excite(operation);
        return;
      default:
        operation satisfies never;
    }
  }

  #copyChannels(operation: OperationOf<'copy-channels'>): void {
    const { source, destination, count, to } = operation;
    const channels = destination.shape[3];
    this.#fromWhole(operation);
    const [N, H, W] = source.shape;
    this.#same([N, H, W, channels], destination.shape);
    this.#fine(copyProblem(operation, this.#held.channelsOf(destination)));
    this.#held.set(destination, to + count === channels ? 'all' : { channels: to + count });
  }

  #excite({ map, attention, pooledOver, scaled }: Excite): void {
    const { spatial } = attention;
    for (const region of [pooledOver, scaled]) {
      if (region) this.#covers(map, region);
      this.#rowsOf(map, region);
    }
    this.#reads(map, pooledOver ?? 'all');
    this.#reads(map, spatial && scaled ? { region: scaled, convolution: spatial } : (scaled ?? 'all'));
    this.#need(fitsChannels(attention, map.shape[3]), 'the layers of the attention do not fit the map');
    if (!spatial) return;
    const wide =
      pooledOver === undefined ||
      (pooledOver.reads?.of === scaled && pooledOver.reads?.convolution === spatial);
    this.#need(wide, 'mean and maximum over channels are not taken wherever the spatial convolution reads');
    this.#whole(map);
    if (scaled && this.#held.of(map) !== 'all') this.#held.set(map, scaled);
  }

  #convolve(operation: Convolve): void {
    const { convolution, source, destination, region, others, residual } = operation;
    const { shape } = destination;
    const sloped = operation.activation === 'prelu';
    this.#need(
      !sloped || convolution.slopes?.length === convolution.outChannels,
      `${convolution.name} has no slopes for its channels`,
    );
    this.#need(normalisationFits(convolution), `${convolution.name} has no scale and shift for its channels`);
    this.#need(
      !convolution.normalisation || !residual,
      `${convolution.name} is normalised, and adds nothing`,
    );
    this.#need(convolution.samePadding === undefined, `${convolution.name} has no padding for this size`);
    this.#need(
      convolution.inChannels === source.shape[3] && convolution.outChannels === shape[3],
      `${convolution.name} reads ${convolution.inChannels} channels and writes ${convolution.outChannels}`,
    );
    if (region) this.#covers(destination, region);
    this.#need(!others || region !== undefined, 'others are those of a region');
    this.#apart(source, destination);
    if (residual) {
      this.#whole(residual);
      this.#whole(destination);
      this.#same(residual.shape, shape);
      this.#reads(residual, others || !region ? 'all' : region);
    }
    const { layout } = source;
    if (layout.kind === 'map') {
      const { height, width } = convolutionOutput(convolution, source.shape[1], source.shape[2]);
      this.#need(
        source.shape[0] === shape[0] && height === shape[1] && width === shape[2],
        `${convolution.name} makes ${height} x ${width} of its source, not ${shape[1]} x ${shape[2]}`,
      );
      this.#reads(source, others || !region ? 'all' : { region, convolution });
    } else if (layout.kind === 'packed') {
      this.#need(isPointwise(convolution) && layout.region === region, 'packed rows are read pixel by pixel');
    } else {
      this.#need(layout.halo.region === region && !others, 'the halo is that of another region');
      this.#need(sameReach(layout.halo.convolution, convolution), 'the halo was made for another kernel');
    }
    if (destination.layout.kind === 'packed')
      this.#need(destination.layout.region === region && !others, 'rows are packed for another region');
    else this.#need(destination.layout.kind === 'map', 'a convolution writes a map or packed rows');
    if (residual && region) {
      this.#reads(destination, 'all');
      return;
    }
    const before = this.#held.of(destination);
    const completes = others && before === region;
    this.#held.set(destination, completes || !region ? 'all' : region);
  }

  /** That an operation makes a whole map of all of another one. */
  #fromWhole({ source, destination }: Record<'source' | 'destination', ProgramMap>): void {
    for (const map of [source, destination]) this.#whole(map);
    this.#apart(source, destination);
    this.#reads(source, 'all');
  }

  /** That an operation does not write where it reads other pixels. */
  #apart(source: ProgramMap, destination: ProgramMap): void {
    this.#need(source !== destination, `map ${source.id} is written while it is read`);
  }

  /** That the pixels of a region, or all where there is none, are found in a map's layout. */
  #rowsOf({ id, layout }: ProgramMap, region: ProgramRegion | undefined): void {
    this.#need(
      layout.kind === 'map' || (layout.kind === 'packed' && layout.region === region),
      `map ${id} holds the rows of ${layout.kind === 'packed' ? 'another region' : 'gathered cells'}`,
    );
  }

  #same(a: Shape, b: Shape): void {
    this.#need(
      a.every((extent, axis) => extent === b[axis]),
      `maps of [${a.join(', ')}] and [${b.join(', ')}] do not fit`,
    );
  }

  #onGrid({ shape: [N, H, W] }: ProgramMap, mask: ProgramMask): void {
    const { batch, rows, columns } = mask;
    this.#ourMask(mask);
    this.#need(N === batch && H === rows && W === columns, `a pooled map has ${rows} x ${columns} cells`);
  }

  /** Checks that a region belongs to a map of this size, and that it has been indexed. */
  #covers({ shape: [N, H, W] }: ProgramMap, region: ProgramRegion): void {
    const { id, mask, height, width } = region;
    this.#need(N === mask.batch && H === height && W === width, `region ${id} is of another size`);
    this.#usable(region);
  }

  #usable(region: ProgramRegion): void {
    const { id, mask } = region;
    this.#need(this.program.regions[id] === region, `region ${id} is not the program's`);
    this.#need(this.#indexed.has(mask), `region ${id} is used before mask ${mask.id} is indexed`);
  }

  /** That a map holds values at these pixels, or at all that a convolution reads for these. */
  #reads(map: ProgramMap, wanted: Parameters<HeldValues['problem']>[1]): void {
    this.#fine(this.#held.problem(map, wanted));
  }
}

function sameReach(a: Convolution, b: Convolution): boolean {
  const reach = ({ kernel, stride, padding, dilation }: Convolution) =>
    [...kernel, ...stride, ...padding, ...dilation].join();
  return reach(a) === reach(b);
}
