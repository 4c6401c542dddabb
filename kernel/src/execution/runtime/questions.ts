import { syncBuiltinESMExports } from 'node:module';
import process from 'node:process';
import readline from 'node:readline';
import promises from 'node:readline/promises';
import { promisify } from 'node:util';
import type { Inputs } from './input.js';

type Question = (this: { readonly input?: unknown }, query: string, ...more: unknown[]) => unknown;

/**
 * Has `readline` ask the front end what it would ask on stdin, which in a notebook has nothing to read: questions of
 * interfaces whose input is `process.stdin` are put as `prompt` puts them.
 */
export function redirectQuestions({ prompt }: Pick<Inputs, 'prompt'>): void {
  const wrap = (native: Question, ask: (query: string, more: readonly unknown[]) => unknown): Question =>
    function (query, ...more) {
      return this.input === process.stdin ? ask(query, more) : native.call(this, query, ...more);
    };
  const promised = async (query: string) => prompt(query);
  const later = promises.Interface.prototype as unknown as { question: Question };
  later.question = wrap(later.question, promised);
  const classic = readline.Interface.prototype as unknown as { question: Question };
  const native = classic.question as Question & { [promisify.custom]: Question };
  classic.question = wrap(native, (query, more) => {
    const line = prompt(query);
    const callback = more.at(-1);
    if (typeof callback === 'function') process.nextTick(callback as (line: string) => void, line);
  });
  Object.defineProperty(classic.question, promisify.custom, {
    value: wrap(native[promisify.custom], promised),
  });
  syncBuiltinESMExports();
}
