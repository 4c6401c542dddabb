import { FoveaError } from '../../errors.js';
import { adaptivePool } from '../../mask/adaptive-pool.js';
import type { Network } from '../../network/network.js';
import type { ProgramMap } from '../../program/program.js';
import { type Shape, Tensor } from '../../tensor.js';
import type { RunOptions, RunResult, Session } from '../backend.js';
import { DecidedMasks } from '../decided-masks.js';
import { KeptPrograms } from '../kept-programs.js';
import { thisProcessor } from '../processor.js';
import { type QueuedRunOptions, RunQueue } from '../run-queue.js';
import { runForeign } from './foreign.js';
import { type Held, inputName, writeGraph } from './graph-writer.js';
import { type GraphFeed, OpenModels, runGraph } from './models.js';
import { OnnxProgram } from './onnx-program.js';
import { PartKeys } from './part-key.js';
import type { GraphPart, Placed, ScriptOperation } from './parts.js';

/** A map's values: all of them, or the rows of a region's pixels as `[1, 1, pixels, C]`. */
interface StoredValue extends Held {
  readonly tensor: Tensor;
}

/** One run's state. */
interface Run {
  readonly options: QueuedRunOptions;
  readonly program: OnnxProgram;
  readonly masks: DecidedMasks;
  readonly values: Map<ProgramMap, StoredValue>;
  /** By operation. */
  readonly milliseconds: Float64Array;
}

/** A network in onnxruntime for one input shape: a graph for each part of a program. */
export class OnnxSession implements Session {
  readonly #queue = new RunQueue();
  readonly #models: OpenModels;
  readonly #programs: KeptPrograms<OnnxProgram>;

  constructor(
    readonly network: Network,
    readonly shape: Shape,
  ) {
    // Two plans, each with all blocks adaptive, without opening anything again.
    this.#models = new OpenModels(network.name, 2 * network.nodes.length);
    const keys = new PartKeys();
    this.#programs = new KeptPrograms(network, shape, {
      make: (lowered, plan) => new OnnxProgram(network, plan, lowered, keys),
      drop: () => undefined,
    });
  }

  run(input: Tensor, options: RunOptions): Promise<RunResult> {
    return this.#queue.add(options, (queued) => this.#run(input, queued));
  }

  dispose(): void {
    // A run under way still uses the graphs.
    this.#queue.close(() => this.#models.close());
  }

  async #run(input: Tensor, options: QueuedRunOptions): Promise<RunResult> {
    const { plan, maskers, threads, signal, onProgress } = options;
    const program = this.#programs.get(plan, maskers);
    const { lowered, parts, report, notes } = program;
    const { nodes } = this.network;
    const run: Run = {
      options,
      program,
      masks: new DecidedMasks(lowered, plan, maskers, options),
      values: new Map([[lowered.program.input, { tensor: input }]]),
      milliseconds: new Float64Array(program.operations),
    };
    const started = performance.now();
    const openedBefore = this.#models.openingMs;
    await run.masks.begin();
    for (const [position, part] of parts.entries()) {
      await pause(signal);
      if (part.kind === 'script') {
        const known = await this.#script(part.placed, run);
        if (!known) return this.#run(input, options);
      } else {
        await this.#graph(part, run);
      }
      for (const map of part.finished) run.values.delete(map);
      const { owner } = part.kind === 'script' ? part.placed : part.operations.at(-1)!;
      onProgress?.((position + 1) / parts.length, nodes[owner.node]!.name);
    }
    const openingMs = this.#models.openingMs - openedBefore;
    const totalMs = performance.now() - started - openingMs;
    const { milliseconds, masks, values } = run;
    return {
      output: values.get(lowered.program.output!)!.tensor,
      masks: masks.all,
      profile: report.profile({ milliseconds, counts: masks.counts }, new Map(), {
        ...{ source: 'onnx', threads, totalMs, notes },
        device: thisProcessor(),
      }),
    };
  }

  /**
   * Runs an operation of JavaScript's.
   * @returns false when it has given the shape of a foreign node's output, which the program has to be lowered with
   */
  async #script({ operation, at }: Placed<ScriptOperation>, run: Run): Promise<boolean> {
    const { values, masks, options, milliseconds } = run;
    const { threads } = options;
    const before = performance.now();
    const tensorOf = (map: ProgramMap) => values.get(map)!.tensor;
    switch (operation.kind) {
      case 'grid-pool': {
        const { source, pooled, mask } = operation;
        values.set(pooled, { tensor: new Tensor(pooled.shape, adaptivePool(tensorOf(source), mask)) });
        break;
      }
      case 'decide':
      case 'ask':
        await masks.decide(operation, tensorOf(operation.pooled).data);
        break;
      case 'index':
        masks.index(operation);
        break;
      case 'foreign': {
        const { node, inputs, output } = operation;
        const tensor = await runForeign(node, inputs.map(tensorOf), { threads, shape: output?.shape });
        if (!output) {
          this.#programs.learnShape(node.name, tensor.shape);
          return false;
        }
        values.set(output, { tensor });
      }
    }
    milliseconds[at]! += performance.now() - before;
    return true;
  }

  async #graph(part: GraphPart, { program, masks, values, options, milliseconds }: Run): Promise<void> {
    const { counts } = masks;
    const isEmpty = ({ id }: { readonly id: number }) => counts[id] === 0;
    const { key, use, written } = program.prepare(part, values, isEmpty);
    if (use.idle) {
      // A part that is skipped as a whole costs nothing.
      const inputs = new Map(part.inputs.map((map, i) => [inputName(i), values.get(map)]));
      const kept = use.outputs.map(({ map, name }) => [map, inputs.get(name)!] as const);
      this.#store(part, new Map(kept), values);
      return;
    }
    const feeds: GraphFeed[] = part.inputs.flatMap((map, i): GraphFeed[] => {
      const value = values.get(map);
      if (!value) return [];
      const { shape, data } = value.tensor;
      return [[inputName(i), value.region ? [shape[2], shape[3]] : shape, data]];
    });
    const beforeLists = performance.now();
    for (const [name, recipe] of use.lists) {
      const { dims, values: list } = recipe(masks);
      feeds.push([name, dims, list]);
    }
    const region = part.operations
      .map(({ operation }) => 'region' in operation && operation.region)
      .find(Boolean);
    if (region) milliseconds[program.indexedAt(region)]! += performance.now() - beforeLists;
    await pause(options.signal);
    const make = () => (written ?? writeGraph(part, values, isEmpty)).finish();
    const session = await this.#models.get(key, options.threads, make);
    const before = performance.now();
    const results = await runGraph(session, feeds, key);
    program.share(part, performance.now() - before, counts, milliseconds);
    const made = use.outputs.map(({ map, name, region: at }) => {
      const data = results[name]!.data as Float32Array;
      const C = map.shape[3];
      const tensor = new Tensor(at ? [1, 1, data.length / C, C] : map.shape, data);
      return [map, at ? { tensor, region: at } : { tensor }] as const;
    });
    this.#store(part, new Map(made), values);
  }

  /** Keeps what a part leaves behind; what it leaves without a value is not there afterwards. */
  #store(
    part: GraphPart,
    made: ReadonlyMap<ProgramMap, StoredValue>,
    values: Map<ProgramMap, StoredValue>,
  ): void {
    for (const map of part.outputs) {
      const value = made.get(map);
      if (value) values.set(map, value);
      else values.delete(map);
    }
  }
}

/** Lets the event loop run, then stops if that was asked for. */
async function pause(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
  if (signal?.aborted) throw new FoveaError('aborted', 'the run was aborted');
}
