import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { INSTRUCTION_WORDS } from '../../engine/lib/backends/native/encoded-part.js';
import { Random } from '../../engine/lib/random.js';
import { arraysIn, copied, damager, thrownOnPurpose } from './boundary/damage.mjs';
import { recordCalls } from './boundary/record.mjs';
import { useEngine } from './boundary/scenarios.mjs';

/** Longest that one call may take, with sanitizers on a busy machine. */
const hangMs = 120_000;

/** Of FoveaErrorCode, those that the addon knows. */
const codes = new Set(['bad-argument', 'bad-shape', 'unsupported', 'backend-unavailable', 'aborted']);

/** Functions that make the program or the handle of a call useless, in this order: they are given others, at the end. */
const final = ['inferDropProgram', 'inferClose'];

/**
 * Calls every function of the native addon with what the engine gives it, and with damage done to that: numbers out
 * of range, arrays that are too short, detached, shared or of another type, lists with holes, getters with effects.
 * A call may throw an error with a code; it must not crash, hang, or touch memory that is not its own, which
 * `scripts/sanitize.mjs` watches.
 *
 * @param args `[ROUNDS] [SEED]`
 * @returns whether all went well
 */
export async function fuzz(args) {
  const [rounds, seed] = [Number(args[0] ?? 4000), Number(args[1] ?? Date.now() % 1_000_000)];
  if (!(rounds > 0) || !Number.isSafeInteger(seed)) {
    process.stderr.write('usage: npm run fuzz -- boundary [ROUNDS] [SEED]\n');
    return false;
  }
  const random = new Random(seed);
  const { addon, calls } = recordCalls(random);
  await useEngine(random);
  const file = join(tmpdir(), `fovea-fuzz-boundary-${seed}.txt`);
  process.stdout.write(`seed ${seed}; should the process die, the call is in ${file}\n`);
  const session = new Boundary(addon, calls, random, watch(file));
  try {
    await session.completeExamples();
    await session.repeatExamples();
    for (let round = 0; round < rounds; round++) await session.round();
    for (const name of final)
      for (let round = 0; round < rounds / 40; round++) await session.finalRound(name);
  } catch (error) {
    process.stdout.write(`seed ${seed}: ${error.message}\n`);
    return false;
  }
  rmSync(file, { force: true });
  const { refused, accepted } = session;
  process.stdout.write(
    `seed ${seed}: ${calls.size} functions, ${refused} calls refused, ${accepted} accepted\n`,
  );
  return true;
}

/**
 * Ends the process when a call takes too long, with the call in a file; a crash leaves it there as well.
 * @returns the function that is given a description of each call
 */
function watch(file) {
  const count = new Int32Array(new SharedArrayBuffer(4));
  const source = `
    const { workerData: { count, file, hangMs } } = require('node:worker_threads');
    let last = -1;
    setInterval(() => {
      if (count[0] === last) {
        require('node:fs').writeSync(1, 'a call takes longer than ' + hangMs + ' ms: ' + file + '\\n');
        process.kill(process.pid, 'SIGKILL');
      }
      last = count[0];
    }, hangMs);`;
  new Worker(source, { eval: true, workerData: { count, file, hangMs } }).unref();
  return (text) => {
    count[0]++;
    writeFileSync(file, text);
  };
}

class Boundary {
  refused = 0;
  accepted = 0;
  #addon;
  #calls;
  #random;
  #watch;
  #damage;
  #handles;

  constructor(addon, calls, random, watch) {
    this.#addon = addon;
    this.#calls = calls;
    this.#random = random;
    this.#watch = watch;
    const first = (name) => calls.get(name).map(([handle]) => handle);
    this.#handles = [...new Set([...first('inferProgram'), ...first('trainRun'), ...first('inferOutline')])];
    this.#damage = damager(random, this.#handles).damage;
  }

  /** Adds calls of functions that the scenarios do not reach, and training operations that they do not hold. */
  async completeExamples() {
    const runs = this.#calls.get('inferResults').slice(0, 8);
    for (const [handle, number, , , milliseconds] of runs) {
      const { length } = milliseconds;
      await this.#addon.inferRun(handle, number, 0, length, 1, 3, undefined);
      this.#calls.get('inferPaces').push([handle, number, new Float64Array(length)]);
      this.#calls.get('inferHandover').push([handle, number]);
      this.#calls.get('inferTallies').push([handle, number, new Float64Array(4 * length)]);
    }
    this.#calls.get('inferAbort').push(...runs.map(([handle]) => [handle]));
    this.#calls.set('trainCompile', trainingExamples(this.#calls.get('trainCompile')));
  }

  /**
   * Calls every function with what it is meant for.
   * @throws Error naming functions and operations that would not be fuzzed
   */
  async repeatExamples() {
    const missing = [];
    for (const name of this.#names()) {
      const before = this.accepted;
      for (const values of this.#examples(name)) await this.#call(name, copied(values));
      if (this.accepted === before) missing.push(name);
    }
    const kinds = new Set(this.#calls.get('trainCompile').map(([[{ op }]]) => op));
    missing.push(...operationNames().filter((name) => !kinds.has(name)));
    if (missing.length > 0) {
      throw new Error(`no call that is accepted is known of ${missing.join(', ')}: scripts/fuzz/boundary`);
    }
    this.accepted = 0;
    this.refused = 0;
  }

  /** A damaged call of any function, sometimes while a session runs. */
  async round() {
    const name = this.#pick(this.#names().filter((each) => !final.includes(each)));
    const running = this.#random.below(8) === 0 ? this.#startRun() : undefined;
    await this.#call(name, this.#damage(this.#pick(this.#examples(name))));
    await running;
  }

  /** A damaged call of a function after which its session or program can no longer be used. */
  async finalRound(name) {
    await this.#call(name, this.#damage(this.#pick(this.#examples(name))));
  }

  #names() {
    return [...this.#calls.keys()];
  }

  #pick(list) {
    return list[this.#random.below(list.length)];
  }

  #examples(name) {
    if (name === 'inferClose') return [[this.#addon.inferOpen(0)]];
    if (name !== 'inferDropProgram') return this.#calls.get(name);
    const tables = this.#pick(this.#calls.get('inferProgram'));
    return [[tables[0], this.#addon.inferProgram(...tables)]];
  }

  #startRun() {
    const [handle, number, , , milliseconds] = this.#pick(this.#calls.get('inferResults'));
    try {
      return this.#addon.inferRun(handle, number, 0, milliseconds.length, 2, 0, undefined).catch(() => {});
    } catch {
      // Dropped by a damaged call.
      return undefined;
    }
  }

  async #call(name, values) {
    this.#watch(`${name}(${values.map(brief).join(', ')})`);
    await this.#attempt(async () => {
      const answer = await this.#addon[name](...values);
      if (name === 'inferProgram') await this.#useProgram(values, answer);
      if (name === 'trainCompile') await this.#useTraining(values, answer);
    });
  }

  async #attempt(call) {
    try {
      await call();
      this.accepted++;
    } catch (error) {
      if (error !== thrownOnPurpose && !(error instanceof Error && codes.has(error.code))) {
        throw new Error(`what is thrown has no code: ${error?.stack ?? String(error)}`);
      }
      this.refused++;
    }
  }

  /** Runs what was accepted: from any instruction on, stopped at times. */
  async #useProgram([handle, , , , , , instructions], number) {
    const random = this.#random;
    const count = instructions.length / INSTRUCTION_WORDS;
    const first = random.below(2) ? 0 : random.below(count + 1);
    const running = this.#addon.inferRun(
      handle,
      number,
      first,
      count,
      1 + random.below(3),
      random.below(4),
      random.below(4) ? undefined : () => {},
    );
    if (random.below(4) === 0) this.#addon.inferAbort(handle);
    await running;
    this.#addon.inferDropProgram(handle, number);
  }

  /** Runs what was accepted, sometimes without the memory that it was compiled with. */
  async #useTraining([ops], program) {
    const random = this.#random;
    const arrays = arraysIn(ops).filter(
      ({ buffer }) => buffer instanceof ArrayBuffer && buffer.byteLength > 0,
    );
    if (random.below(4) === 0 && arrays.length > 0) {
      const { buffer } = this.#pick(arrays);
      if (buffer.resizable) buffer.resize(random.below(buffer.maxByteLength + 1));
      else structuredClone(undefined, { transfer: [buffer] });
    }
    const threads = 1 + random.below(3);
    const run = () =>
      this.#addon.trainRun(program, 0, ops.length, threads, new Int32Array(1), new Float64Array(ops.length));
    const running = run();
    await this.#attempt(run);
    await running;
  }
}

/** Programs of one operation each: some of every kind, with few values, and one program of several operations. */
function trainingExamples(programs) {
  const kinds = new Map();
  for (const op of programs.flatMap(([ops]) => ops)) {
    const kept = kinds.get(op.op) ?? [];
    kinds.set(op.op, [...kept, op].sort((a, b) => sizeOf(a) - sizeOf(b)).slice(0, 6));
  }
  const small = [...kinds.values()].flat();
  return [...small.map((op) => [[op]]), [small.slice(0, 12)]];
}

const sizeOf = ({ buffers }) => buffers.reduce((sum, { length }) => sum + length, 0);

/** Names in the tables of the training operations. */
function operationNames() {
  const folder = new URL('../../engine/native/train/', import.meta.url);
  return readdirSync(folder)
    .filter((file) => /^op_.*\.cc$/.test(file))
    .flatMap((file) => [...readFileSync(new URL(file, folder), 'utf8').matchAll(/^ {4}\{"([a-z-]+)", \d/gm)])
    .map(([, name]) => name);
}

/** A value as it is written into the file of the call. */
function brief(value) {
  if (ArrayBuffer.isView(value)) {
    // A detached array has no length.
    const values = value.length > 0 && value.length < 400 ? Array.from(value).join(' ') : '';
    return `${value.constructor.name}(${value.length ?? ''})[${values}]`;
  }
  if (value === null || typeof value !== 'object') return String(value).slice(0, 80);
  // Of lists, too, getters are not called: they may throw.
  const fields = Object.entries(Object.getOwnPropertyDescriptors(value)).slice(0, 41);
  return `{${fields.map(([key, field]) => `${key}: ${field.get ? 'getter' : brief(field.value)}`).join(', ')}}`;
}
