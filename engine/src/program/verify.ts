import { FoveaError } from '../errors.js';
import type { Convolution } from '../network/network.js';
import { convolutionOutput, isPointwise } from '../network/shapes.js';
import type { Shape } from '../tensor.js';
import { accessesOf, intermediatesOf } from './accesses.js';
import {
  MOST_BAND_PIXELS,
  type Operation,
  type Program,
  type ProgramMap,
  type ProgramMask,
  type ProgramRegion,
  type Step,
} from './program.js';

type Convolve = Extract<Operation, { kind: 'convolve' }>;
/** What a convolution reads for the pixels of a region. */
interface Reach {
  readonly region: ProgramRegion;
  readonly convolution: Convolution;
}

/** The pixels of a map that hold values. */
type Held = 'all' | ProgramRegion;

/**
 * Checks that a program computes what it says: the specification of programs, as code. Sizes fit, every value is
 * written before it is read and at all pixels that are read of it, masks are decided before they are indexed and
 * indexed before their regions are used, and streams are of a form whose operations can run interleaved.
 *
 * @returns the program as given
 * @throws FoveaError `bad-argument` naming the step, the operation and what is wrong with it
 */
export function verifyProgram(program: Program): Program {
  const verifier = new Verifier(program);
  for (const [at, step] of program.steps.entries()) verifier.step(step, at);
  if (program.output) verifier.finish(program.output);
  return program;
}

class Verifier {
  readonly #held = new Map<ProgramMap, Held>();
  readonly #decided: Set<ProgramMask>;
  readonly #indexed = new Set<ProgramMask>();
  #where = 'the program';

  constructor(readonly program: Program) {
    this.#held.set(program.input, 'all');
    this.#decided = new Set(program.given);
  }

  step(step: Step, at: number): void {
    this.#where = `step ${at}`;
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
    if (step.operations.length > 1) this.#stream(step.operations);
    for (const operation of step.operations) {
      this.#where = `step ${at} (${operation.kind})`;
      const { reads, writes } = accessesOf(operation);
      for (const map of [...reads, ...writes]) {
        this.#need(this.program.maps[map.id] === map, `map ${map.id} is not the program's`);
      }
      const dtypes = new Set([...reads, ...writes].map(({ dtype }) => dtype));
      this.#need(
        dtypes.size < 2,
        `maps of ${[...dtypes].join(' and ')}; those of one operation have one type`,
      );
      for (const map of reads) this.#need(this.#held.has(map), `map ${map.id} holds no value here`);
      this.#operation(operation);
    }
    for (const map of intermediatesOf(step)) this.#held.delete(map);
  }

  finish(output: ProgramMap): void {
    this.#where = 'the output';
    this.#reads(output, 'all');
  }

  #need(condition: boolean, problem: string): void {
    if (!condition) throw new FoveaError('bad-argument', `${this.#where}: ${problem}`);
  }

  /** Operations that may run interleaved, so that each finds the rows that it reads. */
  #stream(operations: readonly Operation[]): void {
    const [first, second] = operations as [Operation, Operation];
    if (first.kind === 'grid-pool') {
      this.#need(
        operations.length === 2 && second.kind === 'convolve' && second.source === first.source,
        'behind a pool, one convolution that reads the same map streams',
      );
      return;
    }
    const last = operations.at(-1)!;
    const writers = last.kind === 'grid-pool' ? operations.slice(0, -1) : operations;
    const written = writers.at(-1)!;
    if (first.kind === 'add' || first.kind === 'scatter-add') {
      this.#need(writers.length === 1, 'behind an addition, only a pool of what it writes streams');
    } else {
      this.#need(writers.length <= 3, 'at most 3 convolutions stream');
      writers.forEach((operation, i) => {
        const before = writers[i - 1];
        this.#need(
          operation.kind === 'convolve' &&
            !operation.others &&
            (before === undefined || (before.kind === 'convolve' && operation.source === before.destination)),
          'convolutions stream of which each reads what the one before it writes',
        );
      });
    }
    if (last.kind === 'grid-pool') {
      this.#need(
        'destination' in written && last.source === written.destination,
        'the pool at the end of a stream reads what is written before it',
      );
    }
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
        this.#reads(source, 'all');
        this.#need(
          source.shape[0] === destination.shape[0] && source.shape[3] === destination.shape[3],
          'a pool keeps images and channels',
        );
        this.#writes(destination, 'all');
        return;
      }
      case 'add': {
        const { a, b, destination } = operation;
        for (const map of b ? [a, b] : [a]) {
          this.#reads(map, 'all');
          this.#same(map.shape, destination.shape);
        }
        this.#writes(destination, 'all');
        return;
      }
      case 'grid-pool': {
        const { source, pooled, mask, changed } = operation;
        this.#reads(source, 'all');
        this.#onGrid(pooled, mask);
        this.#need(pooled.shape[3] === source.shape[3], 'a pool keeps channels');
        if (changed)
          this.#need(this.#decided.has(changed.mask), `mask ${changed.mask.id} is not decided yet`);
        this.#writes(pooled, 'all');
        return;
      }
      case 'decide':
      case 'ask':
        this.#reads(operation.pooled, 'all');
        this.#onGrid(operation.pooled, operation.mask);
        this.#need(!this.#decided.has(operation.mask), `mask ${operation.mask.id} is decided twice`);
        this.#decided.add(operation.mask);
        return;
      case 'foreign':
        for (const input of operation.inputs) this.#reads(input, 'all');
        if (operation.output) this.#writes(operation.output, 'all');
        return;
      case 'index':
        this.#need(this.#decided.has(operation.mask), `mask ${operation.mask.id} is not decided yet`);
        this.#indexed.add(operation.mask);
        return;
      case 'gather': {
        const { source, destination } = operation;
        const { layout } = destination;
        this.#need(layout.kind === 'halo', 'cells are gathered to a map of cells with halo');
        if (layout.kind === 'halo') {
          this.#usable(layout.halo.region);
          this.#reads(source, layout.halo);
        }
        this.#writes(destination, 'all');
        return;
      }
      case 'scatter': {
        const { source, destination } = operation;
        this.#need(source.layout.kind === 'packed', 'packed rows are scattered');
        if (source.layout.kind === 'packed') this.#covers(destination, source.layout.region);
        this.#writes(destination, 'all');
        return;
      }
      case 'scatter-add': {
        const { source, destination, region, shortcut } = operation;
        this.#reads(source, region);
        this.#reads(shortcut, region);
        this.#reads(destination, 'all');
        this.#same(shortcut.shape, destination.shape);
        this.#covers(destination, region);
        return;
      }
      case 'activate-others':
        this.#reads(operation.map, 'all');
        this.#covers(operation.map, operation.region);
        return;
      case 'excite': {
        const { map, reduce, expand, pooledOver, scaled } = operation;
        for (const region of [pooledOver, scaled]) if (region) this.#covers(map, region);
        this.#reads(map, pooledOver ?? 'all');
        this.#need(
          reduce.inChannels === map.shape[3] &&
            expand.outChannels === map.shape[3] &&
            reduce.outChannels === expand.inChannels,
          'the linear layers do not fit the map',
        );
        return;
      }
    }
  }

  #convolve({ convolution, source, destination, region, others, residual }: Convolve): void {
    const { shape } = destination;
    this.#need(
      convolution.inChannels === source.shape[3] && convolution.outChannels === shape[3],
      `${convolution.name} reads ${convolution.inChannels} channels and writes ${convolution.outChannels}`,
    );
    if (region) this.#covers(destination, region);
    this.#need(!others || region !== undefined, 'others are those of a region');
    if (residual) this.#same(residual.shape, shape);
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
    const before = this.#held.get(destination);
    const completes = others && before === region;
    this.#writes(destination, completes || !region ? 'all' : region);
  }

  #same(a: Shape, b: Shape): void {
    this.#need(
      a.every((extent, axis) => extent === b[axis]),
      `maps of [${a.join(', ')}] and [${b.join(', ')}] do not fit`,
    );
  }

  #onGrid({ shape: [N, H, W] }: ProgramMap, { batch, rows, columns }: ProgramMask): void {
    this.#need(N === batch && H === rows && W === columns, `a pooled map has ${rows} x ${columns} cells`);
  }

  /** That a region lies on a map of this size, and can be used by now. */
  #covers({ shape: [N, H, W] }: ProgramMap, region: ProgramRegion): void {
    const { id, mask, height, width } = region;
    this.#need(N === mask.batch && H === height && W === width, `region ${id} is of another size`);
    this.#usable(region);
  }

  #usable({ id, mask }: ProgramRegion): void {
    this.#need(this.#indexed.has(mask), `region ${id} is used before mask ${mask.id} is indexed`);
  }

  /** That a map holds values at these pixels, or at all that a convolution reads for these. */
  #reads(map: ProgramMap, wanted: Held | Reach): void {
    const held = this.#held.get(map);
    this.#need(held !== undefined, `map ${map.id} holds no value here`);
    if (held === 'all' || held === undefined) return;
    const enough =
      wanted !== 'all' &&
      ('convolution' in wanted
        ? (isPointwise(wanted.convolution) && held === wanted.region) ||
          (held.reads?.of === wanted.region && held.reads.convolution === wanted.convolution)
        : held === wanted);
    this.#need(enough, `map ${map.id} holds values at region ${held.id} only, and more is read`);
  }

  #writes(map: ProgramMap, held: Held): void {
    this.#held.set(map, held);
  }
}

function sameReach(a: Convolution, b: Convolution): boolean {
  const reach = ({ kernel, stride, padding, dilation }: Convolution) =>
    [...kernel, ...stride, ...padding, ...dilation].join();
  return reach(a) === reach(b);
}
