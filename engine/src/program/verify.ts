import { fitsChannels } from '../network/attention.js';
import type { Convolution } from '../network/network.js';
import { normalisationFits } from '../network/normalisation.js';
import { convolutionOutput, isPointwise } from '../network/shapes.js';
import { accessesOf, intermediatesOf } from './accesses.js';
import { orderedStreamProblem, orderProblem } from './cell-order.js';
import { MapChecks, type ProgramTables } from './map-checks.js';
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
import { checkWholeMaps } from './whole-map-checks.js';

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
  readonly #decided = new Set<ProgramMask>();
  readonly #indexed = new Set<ProgramMask>();
  /** Masks whose cells are gone through in an order of their own. */
  readonly #ordered = new Set<ProgramMask>();
  readonly #maps: MapChecks;
  #seen = 0;

  /** @param inputs maps that hold values at all their pixels before the first step */
  constructor(
    readonly program: ProgramTables,
    ...inputs: readonly ProgramMap[]
  ) {
    this.#maps = new MapChecks(program);
    for (const input of inputs) this.#maps.held.set(input, 'all');
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
    this.#maps.where = name;
    this.#seen++;
    this.#maps.need(step.operations.length > 0, 'a step does at least one thing');
    const { bandPixels } = step;
    this.#maps.need(
      bandPixels === undefined ||
        (Number.isInteger(bandPixels) &&
          bandPixels >= 1 &&
          bandPixels <= MOST_BAND_PIXELS &&
          step.operations.length > 1),
      `bands of ${bandPixels} pixels; a stream may have an integer from 1 to ${MOST_BAND_PIXELS}`,
    );
    if (step.operations.length > 1) {
      this.#maps.fine(streamProblem(step.operations));
      this.#maps.fine(orderedStreamProblem(step.operations, (mask) => this.#ordered.has(mask)));
    }
    for (const operation of step.operations) {
      this.#maps.where = `${name} (${operation.kind})`;
      const { reads, writes } = accessesOf(operation);
      for (const map of [...reads, ...writes]) this.#maps.ours(map);
      const dtypes = new Set([...reads, ...writes].map(({ dtype }) => dtype));
      const types = [...dtypes].join(' and ');
      this.#maps.need(dtypes.size < 2, `maps of ${types}; those of one operation have one type`);
      for (const map of reads)
        this.#maps.need(this.#maps.held.of(map) !== undefined, `map ${map.id} holds no value here`);
      this.#operation(operation);
    }
    for (const map of intermediatesOf(step)) this.#maps.held.delete(map);
  }

  /** Checks that the program's output is there after the last step. */
  finish(output: ProgramMap): void {
    this.#maps.where = 'the output';
    this.#maps.whole(output);
    this.#maps.reads(output, 'all');
  }

  #isDecided(mask: ProgramMask): boolean {
    return this.#decided.has(mask) || this.program.given.includes(mask);
  }

  #ourMask(mask: ProgramMask): void {
    this.#maps.need(this.program.masks[mask.id] === mask, `mask ${mask.id} is not the program's`);
  }

  #operation(operation: Operation): void {
    switch (operation.kind) {
      case 'convolve':
        this.#convolve(operation);
        return;
      case 'max-pool':
      case 'average-pool':
      case 'global-pool':
      case 'copy-channels':
      case 'resize':
      case 'normalise-map':
      case 'pixel-attention':
      case 'multiply':
      case 'add':
        checkWholeMaps(this.#maps, operation);
        return;
      case 'grid-pool': {
        const { source, pooled, mask, changed } = operation;
        for (const map of [source, pooled]) this.#maps.whole(map);
        this.#maps.apart(source, pooled);
        this.#maps.reads(source, 'all');
        this.#onGrid(pooled, mask);
        this.#maps.need(pooled.shape[3] === source.shape[3], 'a pool keeps channels');
        if (changed) {
          this.#maps.need(this.#isDecided(changed.mask), `mask ${changed.mask.id} is not decided yet`);
          this.#covers(source, changed.region);
          this.#maps.need(
            changed.region.mask === changed.mask && changed.region.reads === undefined,
            `region ${changed.region.id} is not where mask ${changed.mask.id} is active`,
          );
        }
        this.#maps.held.set(pooled, 'all');
        return;
      }
      case 'decide':
      case 'ask':
        this.#maps.reads(operation.pooled, 'all');
        this.#onGrid(operation.pooled, operation.mask);
        this.#maps.whole(operation.pooled);
        this.#maps.need(!this.#isDecided(operation.mask), `mask ${operation.mask.id} is decided twice`);
        this.#decided.add(operation.mask);
        return;
      case 'foreign':
        for (const input of operation.inputs) this.#maps.reads(input, 'all');
        if (operation.output) this.#maps.held.set(operation.output, 'all');
        return;
      case 'index':
        this.#index(operation);
        return;
      case 'gather': {
        const { source, destination } = operation;
        const { layout } = destination;
        this.#maps.need(layout.kind === 'halo', 'cells are gathered to a map of cells with halo');
        this.#maps.whole(source);
        if (layout.kind === 'halo') {
          const { region } = layout.halo;
          this.#usable(region);
          this.#maps.need(
            destination.shape[3] === source.shape[3] && source.shape[0] === region.mask.batch,
            'gathering keeps images and channels',
          );
          this.#maps.reads(source, layout.halo);
        }
        this.#maps.held.set(destination, 'all');
        return;
      }
      case 'scatter': {
        const { source, destination } = operation;
        const { layout } = source;
        this.#maps.need(layout.kind === 'packed', 'packed rows are scattered');
        this.#maps.whole(destination);
        this.#maps.need(destination.shape[3] === source.shape[3], 'scattering keeps channels');
        if (layout.kind === 'packed') {
          this.#covers(destination, layout.region);
          this.#maps.reads(source, layout.region);
        }
        this.#maps.held.set(destination, 'all');
        return;
      }
      case 'scatter-add': {
        const { source, destination, region, shortcut } = operation;
        for (const map of [destination, shortcut]) this.#maps.whole(map);
        this.#maps.apart(source, destination);
        this.#maps.same(source.shape, destination.shape);
        this.#maps.rowsOf(source, region);
        this.#maps.reads(source, region);
        this.#maps.reads(shortcut, region);
        this.#maps.reads(destination, 'all');
        this.#maps.same(shortcut.shape, destination.shape);
        this.#covers(destination, region);
        return;
      }
      case 'activate-others':
        this.#maps.whole(operation.map);
        this.#maps.reads(operation.map, 'all');
        this.#covers(operation.map, operation.region);
        return;
      case 'excite':
        this.#excite(operation);
        return;
      default:
        operation satisfies never;
    }
  }

  #index({ mask, order }: OperationOf<'index'>): void {
    this.#ourMask(mask);
    this.#maps.need(this.#isDecided(mask), `mask ${mask.id} is not decided yet`);
    this.#maps.need(!this.#indexed.has(mask), `mask ${mask.id} is indexed twice`);
    this.#maps.fine(order && orderProblem(order, mask));
    this.#indexed.add(mask);
    if (order) this.#ordered.add(mask);
  }

  #excite({ map, attention, pooledOver, scaled }: Excite): void {
    const { spatial } = attention;
    for (const region of [pooledOver, scaled]) {
      if (region) this.#covers(map, region);
      this.#maps.rowsOf(map, region);
    }
    this.#maps.reads(map, pooledOver ?? 'all');
    this.#maps.reads(map, spatial && scaled ? { region: scaled, convolution: spatial } : (scaled ?? 'all'));
    this.#maps.need(fitsChannels(attention, map.shape[3]), 'the layers of the attention do not fit the map');
    if (!spatial) return;
    const wide =
      pooledOver === undefined ||
      (pooledOver.reads?.of === scaled && pooledOver.reads?.convolution === spatial);
    this.#maps.need(
      wide,
      'mean and maximum over channels are not taken wherever the spatial convolution reads',
    );
    this.#maps.whole(map);
    if (scaled && this.#maps.held.of(map) !== 'all') this.#maps.held.set(map, scaled);
  }

  #convolve(operation: Convolve): void {
    const { convolution, source, destination, region, others, residual } = operation;
    const { shape } = destination;
    const sloped = operation.activation === 'prelu';
    this.#maps.need(
      !sloped || convolution.slopes?.length === convolution.outChannels,
      `${convolution.name} has no slopes for its channels`,
    );
    this.#maps.need(
      normalisationFits(convolution),
      `${convolution.name} has no scale and shift for its channels`,
    );
    this.#maps.need(
      !convolution.normalisation || !residual,
      `${convolution.name} is normalised, and adds nothing`,
    );
    this.#maps.need(
      convolution.samePadding === undefined,
      `${convolution.name} has no padding for this size`,
    );
    this.#maps.need(
      convolution.inChannels === source.shape[3] && convolution.outChannels === shape[3],
      `${convolution.name} reads ${convolution.inChannels} channels and writes ${convolution.outChannels}`,
    );
    if (region) this.#covers(destination, region);
    this.#maps.need(!others || region !== undefined, 'others are those of a region');
    this.#maps.apart(source, destination);
    if (residual) {
      this.#maps.whole(residual);
      this.#maps.whole(destination);
      this.#maps.same(residual.shape, shape);
      this.#maps.reads(residual, others || !region ? 'all' : region);
    }
    const { layout } = source;
    if (layout.kind === 'map') {
      const { height, width } = convolutionOutput(convolution, source.shape[1], source.shape[2]);
      this.#maps.need(
        source.shape[0] === shape[0] && height === shape[1] && width === shape[2],
        `${convolution.name} makes ${height} x ${width} of its source, not ${shape[1]} x ${shape[2]}`,
      );
      this.#maps.reads(source, others || !region ? 'all' : { region, convolution });
    } else if (layout.kind === 'packed') {
      this.#maps.need(
        isPointwise(convolution) && layout.region === region,
        'packed rows are read pixel by pixel',
      );
    } else {
      this.#maps.need(layout.halo.region === region && !others, 'the halo is that of another region');
      this.#maps.need(
        sameReach(layout.halo.convolution, convolution),
        'the halo was made for another kernel',
      );
    }
    if (destination.layout.kind === 'packed')
      this.#maps.need(destination.layout.region === region && !others, 'rows are packed for another region');
    else this.#maps.need(destination.layout.kind === 'map', 'a convolution writes a map or packed rows');
    if (residual && region) {
      this.#maps.reads(destination, 'all');
      return;
    }
    const before = this.#maps.held.of(destination);
    const completes = others && before === region;
    this.#maps.held.set(destination, completes || !region ? 'all' : region);
  }

  #onGrid({ shape: [N, H, W] }: ProgramMap, mask: ProgramMask): void {
    const { batch, rows, columns } = mask;
    this.#ourMask(mask);
    this.#maps.need(
      N === batch && H === rows && W === columns,
      `a pooled map has ${rows} x ${columns} cells`,
    );
  }

  /** Checks that a region belongs to a map of this size, and that it has been indexed. */
  #covers({ shape: [N, H, W] }: ProgramMap, region: ProgramRegion): void {
    const { id, mask, height, width } = region;
    this.#maps.need(N === mask.batch && H === height && W === width, `region ${id} is of another size`);
    this.#usable(region);
  }

  #usable(region: ProgramRegion): void {
    const { id, mask } = region;
    this.#maps.need(this.program.regions[id] === region, `region ${id} is not the program's`);
    this.#maps.need(this.#indexed.has(mask), `region ${id} is used before mask ${mask.id} is indexed`);
  }
}

function sameReach(a: Convolution, b: Convolution): boolean {
  const reach = ({ kernel, stride, padding, dilation }: Convolution) =>
    [...kernel, ...stride, ...padding, ...dilation].join();
  return reach(a) === reach(b);
}
