import type { Report } from '../wire.js';
import { KeyboardInterrupt } from './cell.js';

type Question = Omit<Extract<Report, { type: 'input' }>, 'type' | 'cell'>;

/** `prompt`, `confirm` and `password` as in a browser: they wait for the answer. */
export interface Inputs {
  /**
   * Asks for a line.
   * @returns the line, or `initial` when it is empty
   * @throws Error when the front end takes no questions
   */
  prompt(message?: string, initial?: string): string;
  /** Asks a yes-or-no question: true for `y` and `yes`. */
  confirm(message?: string): boolean;
  /** Asks for a line that is not shown as it is typed. */
  password(message?: string): string;
}

/** @param ask blocks until the front end answers; null: it does not; undefined: interrupted */
export function createInputs(ask: (question: Question) => string | null | undefined): Inputs {
  const question = (prompt: string, password = false): string => {
    const answer = ask({ prompt, password });
    if (answer === undefined) throw new KeyboardInterrupt();
    if (answer === null) {
      throw new Error('this front end takes no input (allow_stdin is false), so the cell cannot ask for any');
    }
    return answer;
  };
  return {
    prompt: (message = '', initial) => question(String(message)) || (initial ?? ''),
    confirm: (message = '') => /^\s*y(?:es)?\s*$/i.test(question(`${message} [y/N] `)),
    password: (message = '') => question(String(message), true),
  };
}
