import type { JsonObject } from '../json-object.js';

/**
 * What host and runtime say to each other over the runtime's file descriptor 3: frames of JSON with binary
 * buffers beside it. The pump thread of the runtime is the other end; it passes on what is not meant for it.
 */

/** Data and metadata of something shown, keyed by MIME type. */
export interface Bundle {
  readonly data: JsonObject;
  readonly metadata: JsonObject;
}

/** One thrown value, taken apart where it was thrown. */
export interface ThrownValue {
  readonly name: string;
  readonly message: string;
  /** The stack text behind the message; empty when what was thrown is not an error. */
  readonly stack: string;
  readonly cause?: ThrownValue;
  /** Members of an AggregateError. */
  readonly errors?: readonly ThrownValue[];
  /** Line of the cell (from 1) on which it arose, where the stack does not tell. */
  readonly line?: number;
  /** Own enumerable properties worth reading (`code`, `errno`, …), already as text. */
  readonly details?: string;
}

export type ExpressionResult =
  | ({ readonly status: 'ok' } & Bundle)
  | {
      readonly status: 'error';
      readonly ename: string;
      readonly evalue: string;
      readonly traceback: string[];
    };

/** What has to hold when a loop begins, so that no code but its own runs in it. All lists are of variables. */
export interface LoopGuard {
  readonly numbers: readonly string[];
  /** Any values but objects and functions. */
  readonly primitives: readonly string[];
  /** Arrays without accessors, typed arrays or strings, whose elements are primitive values. */
  readonly lists: readonly string[];
  /** Whether the elements of all lists must be numbers. */
  readonly numericLists: boolean;
  /** Whether the loop goes through arrays by their iterator. */
  readonly iterates: boolean;
  /** Objects of the language that it reads constants or functions of. */
  readonly owners: readonly ('Math' | 'Number')[];
  /** Functions of `Math` that it calls. */
  readonly functions: readonly string[];
}

/** A loop that keeps variables in locals as long as a guard holds. */
export interface GuardedLoop {
  readonly guard: LoopGuard;
  /** Variables that it keeps in locals. */
  readonly kept: readonly string[];
  /** The loop as it was written, and where it stands in `main`, from 0. */
  readonly code: string;
  readonly line: number;
  readonly column: number;
}

/** A compiled cell, ready to run. */
export interface CellProgram {
  /** Global by which the code reaches the runtime: no name of the cell's own. */
  readonly bridge: string;
  readonly loops: readonly GuardedLoop[];
  /** Function declarations of an asynchronous cell, to run first; positions as in the cell. */
  readonly functions?: string;
  readonly main: string;
  /** Columns in front of the cell's own first line, as a negative number. */
  readonly mainColumnOffset: number;
  readonly functionsColumnOffset: number;
  readonly isAsync: boolean;
  /** Names that the cell declares at top level. */
  readonly names: readonly string[];
  /** Names that start again from nothing: enums and namespaces, which would merge with their old selves. */
  readonly resetNames: readonly string[];
  /** Those of `names` that the compiler made up. */
  readonly helperNames: readonly string[];
  /** Whether the last statement's value is the cell's result. */
  readonly hasResult: boolean;
}

export interface ExecuteOrder {
  readonly type: 'execute';
  readonly cell: number;
  readonly count: number;
  readonly code: string;
  readonly file: string;
  readonly program: CellProgram;
  readonly show: boolean;
  readonly allowInput: boolean;
  readonly userExpressions: Readonly<Record<string, string>>;
  /** Report how long the cell took, on stdout. */
  readonly time: boolean;
}

export interface CommMessage {
  readonly type: 'comm';
  readonly kind: 'open' | 'msg' | 'close';
  readonly id: string;
  readonly target: string;
  readonly data: unknown;
  readonly metadata: JsonObject;
}

/** Host → runtime. */
export type Order =
  | ExecuteOrder
  | { readonly type: 'interrupt'; readonly cells: readonly number[] }
  /** Asks for nothing: see `pump.ts`. */
  | { readonly type: 'nothing' }
  | { readonly type: 'inspector'; readonly id: number; readonly method: string; readonly params: unknown }
  | { readonly type: 'input'; readonly value: string | null }
  /** How many characters of output have been taken. */
  | { readonly type: 'taken'; readonly size: number }
  | (CommMessage & { readonly request: number });

export interface Done {
  readonly type: 'done';
  readonly cell: number;
  readonly outcome:
    | {
        readonly kind: 'ok';
        readonly result?: Bundle;
        readonly expressions: Readonly<Record<string, ExpressionResult>>;
      }
    | { readonly kind: 'error'; readonly error: ThrownValue }
    | { readonly kind: 'interrupted' };
  readonly payload: readonly JsonObject[];
}

/** Runtime → host. */
export type Report =
  | { readonly type: 'ready' }
  | {
      readonly type: 'stream';
      readonly cell?: number;
      readonly name: 'stdout' | 'stderr';
      readonly text: string;
    }
  | {
      readonly type: 'display';
      readonly cell?: number;
      readonly bundle: Bundle;
      readonly id?: string;
      readonly update?: boolean;
      /** Characters that it counts for in the backlog. */
      readonly size: number;
    }
  | { readonly type: 'clear'; readonly cell?: number; readonly wait: boolean }
  | { readonly type: 'input'; readonly cell?: number; readonly prompt: string; readonly password: boolean }
  /** A throw or a rejection that no code of the user's handles. */
  | {
      readonly type: 'uncaught';
      readonly cell?: number;
      readonly origin: string;
      readonly error: ThrownValue;
    }
  /** The descriptors named carry a marker with the same number: everything written before belongs before. */
  | { readonly type: 'barrier'; readonly number: number; readonly descriptors: readonly number[] }
  | Done
  | (CommMessage & { readonly cell?: number })
  /** A comm message has been handled. */
  | { readonly type: 'handled'; readonly request: number }
  /** The comm targets that are registered now. */
  | { readonly type: 'targets'; readonly names: readonly string[] }
  | {
      readonly type: 'inspector-reply';
      readonly id: number;
      readonly error?: string;
      readonly result?: unknown;
    }
  | { readonly type: 'inspector-event'; readonly method: string; readonly params: unknown }
  /** The main thread did not answer an interrupt for a while. */
  | { readonly type: 'stuck' };

/** Printed text waits for more of the same stream: this long, or until there are this many characters. */
export const COALESCE_MS = 4;
export const COALESCE_CHARACTERS = 1 << 16;

export interface Packet<M> {
  readonly message: M;
  readonly buffers: readonly Uint8Array[];
}

/** One frame of a JSON text: its byte length of the JSON, count of buffers, their lengths (all 32 bits), the JSON, the buffers. */
export function pack(message: string, buffers: readonly Uint8Array[] = []): Buffer {
  const json = Buffer.from(message, 'utf8');
  const head = Buffer.allocUnsafe(8 + 4 * buffers.length);
  head.writeUInt32LE(json.length, 0);
  head.writeUInt32LE(buffers.length, 4);
  for (let i = 0; i < buffers.length; i++) head.writeUInt32LE(buffers[i]!.length, 8 + 4 * i);
  return Buffer.concat([head, json, ...buffers]);
}

/** Cuts a byte stream back into packets. */
export class Unpacker<M> {
  #chunks: Buffer[] = [];
  #length = 0;
  #wanted = 8;

  /** Adds bytes; returns the packets that are complete now. */
  push(chunk: Buffer): Packet<M>[] {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#wanted) return [];
    let bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    const packets: Packet<M>[] = [];
    this.#wanted = 8;
    while (bytes.length >= 8) {
      const jsonLength = bytes.readUInt32LE(0);
      const count = bytes.readUInt32LE(4);
      let at = 8 + 4 * count;
      if (bytes.length < at) {
        this.#wanted = at;
        break;
      }
      let total = at + jsonLength;
      for (let i = 0; i < count; i++) total += bytes.readUInt32LE(8 + 4 * i);
      if (bytes.length < total) {
        this.#wanted = total;
        break;
      }
      const message = JSON.parse(bytes.toString('utf8', at, at + jsonLength)) as M;
      at += jsonLength;
      const buffers: Uint8Array[] = [];
      for (let i = 0; i < count; i++) {
        const size = bytes.readUInt32LE(8 + 4 * i);
        buffers.push(Uint8Array.from(bytes.subarray(at, at + size)));
        at += size;
      }
      packets.push({ message, buffers });
      bytes = bytes.subarray(total);
    }
    this.#chunks = bytes.length > 0 ? [bytes] : [];
    this.#length = bytes.length;
    return packets;
  }
}
