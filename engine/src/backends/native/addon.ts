import { FoveaError, type FoveaErrorCode } from '../../errors.js';
import { loadAddon } from '../addon.js';

/** A native session; only the addon can look into it. */
export type SessionHandle = { readonly __session: unique symbol };

/** A program in numbers; engine/native/infer/program.h documents the tables. */
export type ProgramTables = readonly [
  buffers: Float64Array,
  maps: Int32Array,
  masks: Int32Array,
  regions: Int32Array,
  halos: Int32Array,
  instructions: Int32Array,
  accesses: Int32Array,
  orders: Int32Array,
];

/** One of the amounts that the kernels' time is made of; engine/native/infer/amounts.h documents them. */
export interface NativeAmount {
  readonly name: string;
  /** How it counts in the three-way split of a Profile. */
  readonly share: 'compute' | 'data' | 'overhead';
  /**
   * Of amounts that come in threes, one after the other: what a core's own caches hold, what the last-level cache does,
   * and what comes from memory.
   */
  readonly place?: 'near' | 'far' | 'memory';
  /** Of these: bytes, or pieces of them. */
  readonly unit?: 'bytes' | 'pieces';
}

/** The addon's inference functions; engine/native/infer/register.cc implements and checks them. */
export interface InferAddon {
  /** Name of the instruction set in use. */
  inferKernels(): string;
  /** `bandPixels`: pixels of a stream's last pass in each band; 0: as many as suit the caches. */
  inferOpen(bandPixels: number): SessionHandle;
  inferClose(session: SessionHandle): void;
  /**
   * Packs weights on another thread. `geometry`: the thirteen sizes of a convolution, its activation, and 1 where it is
   * normalised; `slopes`: one a channel for a PReLU, none otherwise; `normalisation`: epsilon, scales and shifts, or none.
   * Answers with the convolution's number.
   */
  inferConvolution(
    session: SessionHandle,
    geometry: Int32Array,
    weight: Float32Array,
    bias: Float32Array,
    slopes: Float32Array,
    normalisation: Float32Array,
  ): Promise<number>;
  /** `kind` 0: learned, by weight and bias; 1: salient, by rate. Returns the masker's number. */
  inferMasker(session: SessionHandle, kind: number, weight: Float32Array, bias: number, rate: number): number;
  /**
   * Keeps what is added to an attention's products: heads, queries, keys; of a session of outlines only how many values that are.
   * Returns its number.
   */
  inferBias(session: SessionHandle, values: Float32Array): number;
  /**
   * Checks and keeps a program; returns its number. `accesses`, three numbers each: before which instruction
   * JavaScript reads (0) or writes (1) which map, or decides (2) which mask.
   * @throws FoveaError `bad-argument` when an instruction could reach outside its maps, or would read a value
   *   that is not there: never written, or overwritten because two values share memory, or go by a mask not yet
   *   decided or indexed
   */
  inferProgram(session: SessionHandle, ...tables: ProgramTables): number;
  /** All amounts that descriptions are made of, in order. */
  inferAmounts(): NativeAmount[];
  /** Floats in a vector of an instruction set; undefined for one that is not known. */
  inferLanes(isa: string): number | undefined;
  /** A session whose programs are not run but described, for the kernels of any instruction set. */
  inferOutlines(isa: string): SessionHandle;
  /** Adds a convolution without weights to such a session; answers with its number. */
  inferOutline(session: SessionHandle, geometry: Int32Array): number;
  /**
   * Describes every instruction of a program on `threads` threads.
   * @param weightBytes all weights that a run reads, also those of what this program leaves out
   * @param counts pixels of each region, squares of each region, and for each mask 1 where these are expectations
   * @param rows filled, one row an instruction: bands, items, register tiles and units of its convolutions; 1 where
   *   there is another way; all amounts; all amounts of the other way
   */
  inferDescribe(
    session: SessionHandle,
    program: number,
    threads: number,
    nearBytes: number,
    farBytes: number,
    weightBytes: number,
    counts: Float64Array,
    rows: Float64Array,
  ): void;
  /** What convolutions of the last counted run did: bands, items, register tiles and units of each instruction. */
  inferTallies(session: SessionHandle, program: number, tallies: Float64Array): void;
  /** Forgets a program; its number is not used again. */
  inferDropProgram(session: SessionHandle, program: number): void;
  /** Copies values into a map; tells whether all of them are finite. */
  inferWrite(session: SessionHandle, program: number, map: number, values: Float32Array): boolean;
  inferRead(session: SessionHandle, program: number, map: number, values: Float32Array): void;
  /** As `inferWrite`, of values by channel, `[N, C, H, W]`, which it does not look at. */
  inferWritePlanes(session: SessionHandle, program: number, map: number, values: Float32Array): void;
  /** As `inferRead`, the values by channel. */
  inferReadPlanes(session: SessionHandle, program: number, map: number, values: Float32Array): void;
  inferWriteMask(session: SessionHandle, program: number, mask: number, cells: Uint8Array): void;
  /** The cells of all masks, one after the other. */
  inferWriteMasks(session: SessionHandle, program: number, cells: Uint8Array): void;
  /**
   * What a program's last run left behind: the values of a map; wall time of each instruction, ms; pixels in each region; cells and
   * margins of all masks, one after the other.
   */
  inferResults(
    session: SessionHandle,
    program: number,
    map: number,
    values: Float32Array,
    milliseconds: Float64Array,
    counts: Float64Array,
    cells: Uint8Array,
    margins: Float32Array,
  ): void;
  /** The pace of a program's last run at each instruction, ms; answers with the time that measuring took, ms. */
  inferPaces(session: SessionHandle, program: number, milliseconds: Float64Array): number;
  /** How long a value took from one thread to another then, ms; 0 where that is not known. */
  inferHandover(session: SessionHandle, program: number): number;
  /** Wakes the thread that runs programs, for one that starts within half a millisecond. */
  inferExpectRun(): void;
  /**
   * Runs instructions `first` … `last` − 1 on native threads; `measured` 1: with their pace measured; 2: with what
   * convolutions do counted; 3: both; `onInstruction` is called with the number done.
   */
  inferRun(
    session: SessionHandle,
    program: number,
    first: number,
    last: number,
    threads: number,
    measured: number,
    onInstruction: ((done: number) => void) | undefined,
  ): Promise<void>;
  /** Stops the run under way, if any; its promise then rejects with `aborted`. */
  inferAbort(session: SessionHandle): void;
}

const codes: ReadonlySet<string> = new Set<FoveaErrorCode>([
  'bad-argument',
  'bad-shape',
  'unsupported',
  'backend-unavailable',
  'aborted',
]);

/** What the addon throws, as a FoveaError; others, such as those of maskers, as they are. */
export function asFoveaError(error: unknown): unknown {
  if (error instanceof FoveaError) return error;
  const { code, message } = (error ?? {}) as { code?: unknown; message?: string };
  return typeof code === 'string' && codes.has(code)
    ? new FoveaError(code as FoveaErrorCode, message ?? code)
    : error;
}

type Callable = (...values: unknown[]) => unknown;

let wrapped: InferAddon | undefined;

/**
 * The addon with what it throws turned into FoveaErrors; what its promises reject with is for `asFoveaError`.
 * @throws FoveaError `backend-unavailable` when there is no addon
 */
export function inferAddon(): InferAddon {
  if (wrapped) return wrapped;
  const { addon, reason } = loadAddon();
  if (!addon) throw new FoveaError('backend-unavailable', reason ?? 'the native addon is missing');
  const functions = addon as unknown as Record<string, Callable>;
  const table: Record<string, Callable> = {};
  for (const [name, call] of Object.entries(functions)) {
    if (!name.startsWith('infer')) continue;
    table[name] = (...values) => {
      try {
        return call(...values);
      } catch (error) {
        throw asFoveaError(error);
      }
    };
  }
  wrapped = table as unknown as InferAddon;
  return wrapped;
}

/** Instruction set of the kernels that this process runs, by `FOVEA_ISA` too; undefined where it runs none. */
export function runningIsa(): string | undefined {
  try {
    return inferAddon().inferKernels();
  } catch {
    return undefined;
  }
}
