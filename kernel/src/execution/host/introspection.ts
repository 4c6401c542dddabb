import type { JsonObject } from '../../json-object.js';
import { type Committer, type Failure, type RanCell, take } from '../../language/batch.js';
import type { Diagnostic } from '../../language/diagnose.js';
import { fileNames } from '../../language/file-names.js';
import type { LanguageService } from '../../language/service.js';
import { runStart, utf16Offset } from '../../language/text.js';
import { completeness } from '../cells/completeness.js';
import { completeMagic } from '../cells/magic-completion.js';
import { translateMagics } from '../cells/magics.js';
import { InspectorLiveValues } from './live-values.js';
import type { Runtime } from './runtime.js';

export interface IntrospectionContext {
  readonly directory: string;
  readonly runtime: Runtime;
}

interface Shown {
  readonly found: boolean;
  readonly data: Readonly<Record<string, unknown>>;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/**
 * Wait for type errors before a cell is called idle. A server that runs answers in time; one that starts does
 * not, and clients expect `idle` within 0.1 s of the reply.
 */
const DIAGNOSE_PATIENCE_MS = 30;

/** The language server gets ready for the next question this long after the last cell, so not between cells. */
const PREPARE_AFTER_MS = 150;

/** At most this many cells are taken as one. */
const TAKEN_TOGETHER = 64;

/**
 * What can be known of code without running it: from TypeScript's language server, which is started with the
 * first cell, and from living values.
 */
export class Introspection {
  readonly #live: InspectorLiveValues;
  #service: Promise<LanguageService> | undefined;
  #preparation: NodeJS.Timeout | undefined;
  /** Cells that the service does not know of yet. */
  readonly #ran: (RanCell & { resolve(found: readonly Diagnostic[]): void })[] = [];
  #taking: Promise<void> | undefined;
  #resets = 0;

  constructor(private readonly context: IntrospectionContext) {
    this.#live = new InspectorLiveValues((method, params) => context.runtime.inspector(method, params));
  }

  async complete(code: string, cursor: number): Promise<JsonObject> {
    const magic = completeMagic([...code].slice(0, cursor).join(''));
    if (magic) {
      const { typed, isPath } = magic;
      const files = isPath ? await fileNames(this.context.directory, typed) : [];
      const matches = [...magic.matches, ...files.map(({ label }) => label)];
      return {
        status: 'ok',
        matches,
        cursor_start: cursor - [...typed].length,
        cursor_end: cursor,
        metadata: {},
      };
    }
    const service = await this.#language();
    const { matches, cursorStart, cursorEnd, metadata } = await service.complete(
      withoutMagics(code),
      cursor,
      this.#live,
    );
    return { status: 'ok', matches, cursor_start: cursorStart, cursor_end: cursorEnd, metadata };
  }

  /** Help for the name at the cursor: from types, or else from its living value. */
  async inspect(code: string, cursor: number, detail: 0 | 1): Promise<Shown> {
    const service = await this.#language();
    const found = await service.inspect(withoutMagics(code), cursor, detail);
    // All that is known of an unknown name is its type: any.
    const unknown = found.data['text/plain'] === 'any';
    if (found.found && !unknown) return found;
    const name = nameAt(code, cursor);
    const text = name === undefined ? undefined : await this.#live.describe(name).catch(() => undefined);
    return text === undefined
      ? { found: false, data: {}, metadata: {} }
      : { found: true, data: { 'text/plain': text }, metadata: {} };
  }

  isComplete(code: string): JsonObject {
    return { ...completeness(code) };
  }

  /** Type errors of a cell. */
  async diagnose(typescript: string): Promise<readonly Diagnostic[]> {
    return (await this.#language()).diagnose(typescript);
  }

  /** Type errors as far as they are known in time for the cell's end. */
  async diagnoseSoon(diagnosis: Promise<readonly Diagnostic[]>): Promise<readonly Diagnostic[] | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), DIAGNOSE_PATIENCE_MS);
    });
    try {
      return await Promise.race([diagnosis, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Takes a cell that ran into account for the ones that follow: at once when its type errors are wanted, else
   * with the next question.
   *
   * @param failure where it failed, if it did
   * @returns its type errors; none when they are not wanted
   */
  ran(code: string, check: boolean, failure?: Failure): Promise<readonly Diagnostic[]> {
    return new Promise((resolve) => {
      this.#ran.push({ code, check, failure, resolve });
      if (check) this.#take().catch(() => undefined);
      else resolve([]);
    });
  }

  /** Forgets all cells: their variables are gone. */
  reset(): void {
    this.#resets++;
    clearTimeout(this.#preparation);
    for (const { resolve } of this.#ran.splice(0)) resolve([]);
    void this.#service?.then((service) => service.reset());
  }

  dispose(): void {
    clearTimeout(this.#preparation);
    void this.#service?.then((service) => service.dispose());
  }

  /** The service, knowing all cells that ran. */
  async #language(): Promise<LanguageService> {
    await this.#take();
    return this.#started();
  }

  /** The service, started with the first need of it. */
  #started(): Promise<LanguageService> {
    this.#service ??= import('../../language/service.js').then(
      ({ LanguageService }) => new LanguageService({ directory: this.context.directory }),
    );
    return this.#service;
  }

  /** Sends the service all cells that ran; those that run in the meantime are sent together. */
  #take(): Promise<void> {
    this.#taking ??= this.#takeAll().finally(() => {
      this.#taking = undefined;
      // One may have come just as this ended.
      if (this.#ran.some(({ check }) => check)) this.#take().catch(() => undefined);
    });
    return this.#taking;
  }

  /** The service for cells that ran until now: after a reset nothing is known of them any more. */
  #committer(service: LanguageService): Committer {
    const resets = this.#resets;
    const forgotten = () => resets !== this.#resets;
    return {
      diagnose: (code) => service.diagnose(code),
      commit: async (code, failure) => {
        if (!forgotten()) await service.commit(code, failure);
      },
      commitTogether: async (codes) => forgotten() || service.commitTogether(codes),
    };
  }

  async #takeAll(): Promise<void> {
    if (this.#ran.length === 0) return;
    const service = await this.#started();
    while (this.#ran.length > 0) {
      const cells = this.#ran.splice(0, TAKEN_TOGETHER);
      const found = await take(this.#committer(service), cells);
      for (const [index, { resolve }] of cells.entries()) resolve(found[index] ?? []);
    }
    clearTimeout(this.#preparation);
    this.#preparation = setTimeout(() => void service.prepare(), PREPARE_AFTER_MS);
  }
}

/** Code in which magics are blanks, so that offsets stay. */
function withoutMagics(code: string): string {
  try {
    const { typescript } = translateMagics(code);
    return typescript === '' ? code : typescript;
  } catch {
    return code;
  }
}

/** The chain of names around a place in code points. */
function nameAt(code: string, cursor: number): string | undefined {
  const at = utf16Offset(code, cursor);
  const left = code.slice(runStart(code, at, /[\p{ID_Continue}$.]/u), at);
  const right = /^[\p{ID_Continue}$]*/u.exec(code.slice(at))![0];
  const name = (left + right).replace(/\.$/, '');
  return /^[\p{ID_Start}$_]/u.test(name) ? name : undefined;
}
