import type { Block, Convolution, Network } from '../../network/network.js';
import type { PixelBias } from '../../network/pixel-attention.js';
import type { LoweredNetwork } from '../../plan/lower.js';
import type { Plan } from '../../plan/plan.js';
import { planBuffers } from '../../program/buffers.js';
import type { Program, ProgramMap } from '../../program/program.js';
import { workOf } from '../../program/work.js';
import type { Shape } from '../../tensor.js';
import { ProgramReport } from '../program-report.js';
import { type Device, usage } from './device.js';
import { type EncodedProgram, encodeProgram } from './encode.js';
import { haloWindow } from './halo.js';
import { encodeParameters, vectorBytes, vectors } from './kernel.js';
import type { BufferUse, Launch, SharedBuffer } from './launch.js';
import { profiledNotes } from './notes.js';
import type { PassTimer } from './timer.js';
import { exactBytes, transferKey, transferredMaps } from './transfers.js';
import type { Choice } from './variants.js';

/** How the convolutions of one program are computed, and who says so, as the end of a sentence. */
export interface ProgramChoice extends Choice {
  readonly chosenBy: string;
}

/** Something on the GPU that only one program uses. */
export type Own = Pick<GPUBuffer | PassTimer, 'destroy'>;

/** What is encoded as one compute pass: a pass of the program, or a slice of it. */
export interface Piece {
  readonly dispatches: readonly Dispatch[];
  /** At most, as `submission-bound.ts` counts it. */
  readonly work: number;
  /** Its number among all that are timed. */
  readonly timed: number;
}

/** A pass whole, and in slices where it has several. */
interface BoundPass {
  readonly whole: Piece;
  readonly slices: readonly Piece[];
}

/** A dispatch with everything bound. */
interface Dispatch {
  readonly pipeline: GPUComputePipeline;
  readonly bindings: GPUBindGroup;
  /** Workgroups, or where their number stands in the buffer of dispatches. */
  readonly workgroups: readonly [number, number, number] | number;
}

/** A network on a device, as its programs use it. */
export interface ResidentNetwork {
  readonly device: Device;
  readonly network: Network;
  /** A convolution's packed weights. */
  weights(convolution: Convolution): GPUBuffer;
  /** What is added to an attention's products. */
  bias(bias: PixelBias): GPUBuffer;
  /** The same for Winograd's algorithm; made when they are asked for. */
  transformed(convolution: Convolution): GPUBuffer;
  /** Weights of a block's learned masker, its bias behind them. */
  masker(block: Block): GPUBuffer;
  /** Times so many compute passes; undefined where nothing does. */
  timer(passes: number): Promise<PassTimer | undefined>;
  /**
   * Buffers for maps of these sizes; programs share them.
   * @param onGrown called when one had to grow: the smaller one is gone
   * @throws FoveaError `unsupported` when one is larger than the adapter allows
   */
  maps(
    wanted: readonly { readonly bytes: number; readonly what: string }[],
    onGrown: () => void,
  ): GPUBuffer[];
}

/** Where something stands in the buffer that a run is read back through, in bytes. */
export interface ReadBack {
  readonly output: number;
  readonly cells: number;
  readonly margins: number;
  readonly counters: number;
  readonly times: number;
  readonly total: number;
}

/** Where parameters of a dispatch may begin in a uniform buffer. */
const UNIFORM_ALIGNMENT = 256;

/** A lowered network on a device: all buffers, pipelines and bindings of its runs. */
export class GpuProgram {
  readonly report: ProgramReport;
  /** Pixels of regions, two counters each, are the first of them. */
  readonly readBack: ReadBack;
  /** Who chose its variants, as the end of a sentence. */
  readonly chosenBy: string;
  readonly #passes: readonly BoundPass[];
  readonly #transfers = new Map<string, Dispatch>();
  readonly #own: readonly Own[];

  private constructor(
    readonly lowered: LoweredNetwork,
    readonly encoded: EncodedProgram,
    readonly shared: Readonly<Record<SharedBuffer, GPUBuffer>>,
    readonly readable: GPUBuffer,
    readonly timer: PassTimer | undefined,
    passes: readonly BoundPass[],
    transfers: readonly (readonly [string, Dispatch])[],
    own: readonly Own[],
    made: Pick<GpuProgram, 'report' | 'readBack' | 'chosenBy'>,
  ) {
    this.report = made.report;
    this.readBack = made.readBack;
    this.chosenBy = made.chosenBy;
    this.#passes = passes;
    for (const [key, dispatch] of transfers) this.#transfers.set(key, dispatch);
    this.#own = own;
  }

  /**
   * Makes everything that runs of the program need.
   * @param choice how convolutions are computed
   * @param onGrown called when memory for maps had to grow: other programs use what was there before
   * @param own takes what is made for this program alone: to be destroyed with it, and when it could not be made
   * @throws FoveaError `unsupported` naming what is too large for the adapter, `backend-unavailable` without memory
   */
  static async make(
    resident: ResidentNetwork,
    lowered: LoweredNetwork,
    plan: Plan,
    choice: ProgramChoice,
    onGrown: () => void,
    own: Own[],
  ): Promise<GpuProgram> {
    const { device, network } = resident;
    const encoded = encodeProgram(lowered.program, choice);
    const { program, lists, slots, stops } = encoded;
    const shapes = program.maps.map(storedShape);
    const { sizes, bufferOf } = planBuffers({
      ...program,
      maps: program.maps.map((map) => ({ ...map, shape: shapes[map.id]! })),
    });
    const valueBytes = vectorBytes[device.precision] / 4;
    const maps = resident.maps(
      sizes.map((values, buffer) => ({
        bytes: values * valueBytes,
        what: `a map of ${network.nodes[ownerOf(program, bufferOf, buffer)]?.name ?? network.name}`,
      })),
      onGrown,
    );
    const make = (what: string, bytes: number, flags: number) => {
      const buffer = device.buffer(what, bytes, flags);
      own.push(buffer);
      return buffer;
    };
    const { storage, copySource, copyDestination, uniform, indirect, mapRead } = usage;
    const cells = lists.firstCell.at(-1)! * 4;
    const transfers = transferredMaps(program.input, program.output, stops);
    const values = Math.max(...transfers.map(({ map }) => exactBytes(map)));
    // Whole passes and the slices of those that have several.
    const pieces = encoded.passes.flatMap(({ launches, slices }) => [
      { launches, work: slices.reduce((sum, { work }) => sum + work, 0) },
      ...(slices.length > 1 ? slices : []),
    ]);
    const timer = await resident.timer(pieces.length);
    if (timer) own.push(timer);
    const readBack = layReadBack(
      program.output ? exactBytes(program.output) : 0,
      cells,
      lists.counters * 4,
      timer,
    );
    const shared: Record<SharedBuffer, GPUBuffer> = {
      lists: make('pixel lists', lists.words * 4, storage | copySource),
      counters: make('counters', lists.counters * 4, storage | copySource | copyDestination),
      cells: make('cells', cells, storage | copySource | copyDestination),
      margins: make('margins', cells, storage | copySource),
      listTable: make('table of lists', lists.table.byteLength, storage | copyDestination),
      dispatchTable: make('table of dispatches', slots.table.byteLength, storage | copyDestination),
      dispatches: make('dispatches', slots.bytes, storage | indirect | copySource),
      scratch: make('excitation', encoded.scratch * 16, storage),
      values: make('values of the input and the output', values, storage | copySource | copyDestination),
    };
    const readable = make('results', Math.max(readBack.total, values), mapRead | copyDestination);
    const launches = [...pieces.flatMap((piece) => piece.launches), ...transfers.map(({ launch }) => launch)];
    const parameters = make('parameters', launches.length * UNIFORM_ALIGNMENT, uniform | copyDestination);
    const { queue } = device.gpu;
    queue.writeBuffer(shared.listTable, 0, lists.table);
    queue.writeBuffer(shared.dispatchTable, 0, slots.table);
    const bufferFor = (use: BufferUse): GPUBuffer => {
      if (typeof use === 'string') return shared[use];
      if ('map' in use) return maps[bufferOf[use.map.id]!]!;
      if ('transformed' in use) return resident.transformed(use.transformed);
      if ('bias' in use) return resident.bias(use.bias);
      return 'masker' in use ? resident.masker(use.masker) : resident.weights(use.convolution);
    };
    const bind = async (launch: Launch, number: number): Promise<Dispatch> => {
      const { kernel, workgroups } = launch;
      const { pipeline, layout } = await device.pipeline(kernel);
      const words = encodeParameters(kernel, launch.parameters);
      queue.writeBuffer(parameters, number * UNIFORM_ALIGNMENT, words);
      const bindings = device.gpu.createBindGroup({
        layout,
        entries: [
          {
            binding: 0,
            resource: { buffer: parameters, offset: number * UNIFORM_ALIGNMENT, size: words.byteLength },
          },
          ...kernel.bindings.map(({ name }, i) => ({
            binding: i + 1,
            resource: { buffer: bufferFor(launch.buffers[name]!) },
          })),
        ],
      });
      return {
        pipeline,
        bindings,
        workgroups: slots.offset(workgroups) ?? (workgroups as readonly [number, number, number]),
      };
    };
    const binding = launches.map(bind);
    // All of them have ended before what they use may be destroyed, because one has failed.
    await Promise.allSettled(binding);
    const dispatches = await Promise.all(binding);
    const rest = [...dispatches];
    const bound = pieces.map(
      ({ launches: { length }, work }, timed): Piece => ({ dispatches: rest.splice(0, length), work, timed }),
    );
    const passes = encoded.passes.map(({ slices }): BoundPass => {
      const whole = bound.shift()!;
      return { whole, slices: slices.length > 1 ? bound.splice(0, slices.length) : [whole] };
    });
    const report = new ProgramReport(
      network,
      plan,
      profiledNotes(lowered, encoded),
      encoded.passes,
      stops.map(({ owner, operation }) => ({ owner, work: workOf(operation) })),
    );
    return new GpuProgram(
      lowered,
      encoded,
      shared,
      readable,
      timer,
      passes,
      transfers.map(({ key }, i) => [key, rest[i]!] as const),
      own,
      { report, readBack, chosenBy: choice.chosenBy },
    );
  }

  /** Pass `at` as it is to be encoded: whole if it is no more than `most` work. */
  pieces(at: number, most: number): readonly Piece[] {
    const { whole, slices } = this.#passes[at]!;
    return whole.work <= most ? [whole] : slices;
  }

  /** Encodes it as a compute pass. */
  encode(encoder: GPUCommandEncoder, { dispatches, timed }: Piece): void {
    const pass = encoder.beginComputePass(this.timer?.descriptor(timed));
    for (const dispatch of dispatches) this.#dispatch(pass, dispatch);
    pass.end();
  }

  /** Encodes the way of a map from or to `shared.values`. */
  encodeTransfer(encoder: GPUCommandEncoder, direction: 'import' | 'export', map: ProgramMap): void {
    const pass = encoder.beginComputePass();
    this.#dispatch(pass, this.#transfers.get(transferKey(direction, map))!);
    pass.end();
  }

  /** Frees its own buffers, which no run may use any more. */
  destroy(): void {
    for (const one of this.#own) one.destroy();
  }

  #dispatch(pass: GPUComputePassEncoder, { pipeline, bindings, workgroups }: Dispatch): void {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindings);
    if (typeof workgroups === 'number') pass.dispatchWorkgroupsIndirect(this.shared.dispatches, workgroups);
    else pass.dispatchWorkgroups(...workgroups);
  }
}

/** A map as it lies on the GPU: whole vectors of channels, and a window for every cell of a halo. */
function storedShape({ shape, layout }: ProgramMap): Shape {
  const channels = vectors(shape[3]) * 4;
  if (layout.kind !== 'halo') return [shape[0], shape[1], shape[2], channels];
  const { batch, rows, columns } = layout.halo.region.mask;
  const { height, width } = haloWindow(layout.halo);
  return [batch * rows * columns, height, width, channels];
}

/** The node whose map made a buffer as large as it is. */
function ownerOf({ steps }: Program, bufferOf: Int32Array, buffer: number): number {
  let [largest, owner] = [0, -1];
  for (const { owner: step, operations } of steps) {
    for (const operation of operations) {
      const map = 'destination' in operation ? operation.destination : undefined;
      if (!map || bufferOf[map.id] !== buffer || exactBytes(map) <= largest) continue;
      [largest, owner] = [exactBytes(map), step.node];
    }
  }
  return owner;
}

function layReadBack(
  output: number,
  cells: number,
  counters: number,
  timer: PassTimer | undefined,
): ReadBack {
  let total = 0;
  const place = (bytes: number) => {
    const at = total;
    total += Math.ceil(bytes / 8) * 8;
    return at;
  };
  const placed = {
    output: place(output),
    cells: place(cells),
    margins: place(cells),
    counters: place(counters),
    times: place(timer?.bytes ?? 0),
  };
  return { ...placed, total };
}
