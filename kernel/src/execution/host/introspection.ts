import type { Diagnostic } from '../../language/diagnose.js';
import type { LanguageService } from '../../language/service.js';
import type { Json } from '../../protocol/message.js';
import { completeness } from '../cells/completeness.js';
import { translateMagics } from '../cells/magics.js';
import { InspectorLiveValues } from './liveValues.js';
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

/** So long after the last cell the language server gets ready for the next question, and not between cells. */
const PREPARE_AFTER_MS = 150;

/**
 * What can be known of code without running it: from TypeScript's language server, which is started with the
 * first cell, and from living values.
 */
export class Introspection {
  readonly #live: InspectorLiveValues;
  #service: Promise<LanguageService> | undefined;
  #preparation: NodeJS.Timeout | undefined;
  #uncommitted: { readonly typescript: string; readonly count: number }[] = [];

  constructor(private readonly context: IntrospectionContext) {
    this.#live = new InspectorLiveValues((method, params) => context.runtime.inspector(method, params));
  }

  async complete(code: string, cursor: number): Promise<Json> {
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

  isComplete(code: string): Json {
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

  /** Takes a cell that ran into account for the ones that follow: with the next question, or when there is time. */
  commit(typescript: string, count: number): void {
    this.#uncommitted.push({ typescript, count });
    clearTimeout(this.#preparation);
    this.#preparation = setTimeout(() => {
      void this.#language().then((service) => service.prepare());
    }, PREPARE_AFTER_MS);
  }

  /** Forgets all cells: their variables are gone. */
  reset(): void {
    clearTimeout(this.#preparation);
    this.#uncommitted = [];
    void this.#service?.then((service) => service.reset());
  }

  dispose(): void {
    clearTimeout(this.#preparation);
    void this.#service?.then((service) => service.dispose());
  }

  /** The service, started with the first need of it, knowing all cells that ran. */
  #language(): Promise<LanguageService> {
    this.#service ??= import('../../language/service.js').then(
      ({ LanguageService }) => new LanguageService({ directory: this.context.directory }),
    );
    // Taken out now: cells that run after this question are none of its business.
    const cells = this.#uncommitted.splice(0);
    return this.#service.then((service) => {
      // The service takes requests in their order, so that there is no need to wait for these.
      for (const { typescript, count } of cells) void service.commit(typescript, count);
      return service;
    });
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
  const characters = [...code];
  const before = characters.slice(0, cursor).join('');
  const after = characters.slice(cursor).join('');
  const left = /[\p{ID_Continue}$.]*$/u.exec(before)![0];
  const right = /^[\p{ID_Continue}$]*/u.exec(after)![0];
  const name = (left + right).replace(/\.$/, '');
  return /^[\p{ID_Start}$_]/u.test(name) ? name : undefined;
}
