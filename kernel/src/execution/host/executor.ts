import { LRUCache } from 'lru-cache';
import type { JsonObject } from '../../json-object.js';
import type { Diagnostic } from '../../language/diagnose.js';
import type { Message } from '../../protocol/message.js';
import { SourceSyntaxError } from '../../typescript/syntax-error.js';
import { cellFile } from '../cells/cell-file.js';
import { type CompiledCell, compileCell } from '../cells/compile.js';
import { MagicError, type MagicSettings, type TranslatedCell, translateMagics } from '../cells/magics.js';
import type { Done, ThrownValue } from '../wire.js';
import type { History } from './history.js';
import type { Introspection } from './introspection.js';
import type { Output } from './output.js';
import type { Runtime } from './runtime.js';
import { type CellSource, codeFrame, failedLine, tidyBundle, traceback } from './traceback.js';

/** Result of an execute_request. */
export interface Outcome {
  readonly status: 'ok' | 'error';
  /** Content of the execute_reply. */
  readonly reply: JsonObject;
  /** What is left to do between the cell's reply and its `idle`; to be called in any case. */
  readonly afterReply?: () => Promise<void>;
  /** The line of the cell, from 0, at which an error left it, if the stack shows it. */
  readonly failedLine?: number | undefined;
}

export interface ExecutorContext {
  readonly output: Output;
  readonly runtime: Runtime;
  readonly history: History;
  readonly introspection: Introspection;
  readonly colour: boolean;
  /** Whether cells are type-checked; `%strict on` checks them in any case. */
  readonly checkTypes: boolean;
  /** Whether cells have to run as they are written, so that they can be stepped through. */
  isDebugging(): boolean;
}

/** One execute_request being processed. */
interface Execution {
  readonly cell: number;
  readonly count: number;
  readonly request: Message;
  readonly code: string;
  readonly silent: boolean;
  readonly allowInput: boolean;
  readonly storeHistory: boolean;
  readonly userExpressions: Readonly<Record<string, string>>;
}

/** Characters that one cell may have: larger cells hold data that belongs in a file. */
const CODE_LIMIT = 8_000_000;
/** Sources that tracebacks can show. */
const REMEMBERED = 2000;
/** A cell that has run this long is checked while it runs, any other when it has ended. */
const CHECK_AFTER_MS = 40;
/** Type errors shown of one cell. */
const DIAGNOSTICS_SHOWN = 8;

/** Runs execute requests: compiles the cell, has the runtime run it, reports the result. */
export class Executor {
  /** Number of the last cell. */
  count = 0;
  readonly sources = new LRUCache<string, CellSource & CompiledCell>({ max: REMEMBERED });
  #cells = 0;
  #strict = false;
  /** How often the variables have been forgotten. */
  #forgotten = 0;
  /** How often cells have been interrupted. */
  #interrupts = 0;
  /** Names that cells have declared. */
  readonly #variables = new Set<string>();

  constructor(private readonly context: ExecutorContext) {}

  /** A number for output that belongs together. */
  nextCell(): number {
    return ++this.#cells;
  }

  /** Forgets the variables of cells, as the runtime already has. */
  forgetVariables(): void {
    this.#forgotten++;
    this.#variables.clear();
  }

  /** Stops cells that are still being compiled and checked; those that run are the runtime's. */
  interrupt(): void {
    this.#interrupts++;
  }

  async execute(request: Message): Promise<Outcome> {
    const execution = this.#read(request);
    const { output, history } = this.context;
    const { cell, count, code, silent } = execution;
    output.begin(cell, request.header);
    if (execution.storeHistory && code.trim() !== '') history.add(count, code);
    if (!silent) void output.publish(cell, 'execute_input', { code, execution_count: count });
    const outcome = await this.#run(execution).catch((error: Error) =>
      this.#error(execution, { name: 'KernelError', message: error.message, stack: error.stack ?? '' }),
    );
    output.end(cell);
    return outcome;
  }

  #read({ content, ...request }: Message): Execution {
    const silent = content.silent === true;
    const storeHistory = !silent && content.store_history !== false;
    if (storeHistory) this.count++;
    const expressions = typeof content.user_expressions === 'object' ? (content.user_expressions ?? {}) : {};
    return {
      cell: this.nextCell(),
      count: this.count,
      request: { content, ...request },
      code: typeof content.code === 'string' ? content.code : '',
      silent,
      allowInput: content.allow_stdin !== false,
      storeHistory,
      userExpressions: Object.fromEntries(
        Object.entries(expressions).filter(([, expression]) => typeof expression === 'string'),
      ) as Record<string, string>,
    };
  }

  async #run(execution: Execution): Promise<Outcome> {
    const { code, cell } = execution;
    const interrupts = this.#interrupts;
    if (code.length > CODE_LIMIT) {
      return this.#error(execution, {
        name: 'RangeError',
        message:
          `the cell has ${code.length.toLocaleString('en')} characters; ` +
          `up to ${CODE_LIMIT.toLocaleString('en')} are accepted. Read data from a file instead.`,
        stack: '',
      });
    }
    let translated: TranslatedCell;
    try {
      translated = translateMagics(code);
    } catch (error) {
      if (!(error instanceof MagicError)) throw error;
      return this.#error(execution, { name: error.name, message: error.message, stack: '' });
    }
    const { settings } = translated;
    if (settings.strict !== undefined) this.#strict = settings.strict;
    if (settings.inspect) return this.#help(execution, settings.inspect);
    let compiled: CompiledCell;
    try {
      const variables = this.context.isDebugging() ? undefined : this.#variables;
      compiled = await compileCell(translated.code, { cell, variables });
    } catch (error) {
      if (!(error instanceof SourceSyntaxError)) throw error;
      return this.#syntaxError(execution, error);
    }
    const typescript = compiled.isExpression ? '' : translated.typescript;
    let diagnosis: Promise<readonly Diagnostic[]> | undefined;
    if (this.#strict) {
      diagnosis = this.#diagnose(execution, typescript);
      const found = await diagnosis;
      const errors = found.filter(({ severity }) => severity === 'error');
      if (errors.length > 0) return this.#typeErrors(execution, errors);
    }
    if (interrupts !== this.#interrupts) return this.#interrupted(execution);
    const timer = setTimeout(() => {
      diagnosis ??= this.#diagnose(execution, typescript);
    }, CHECK_AFTER_MS);
    const forgotten = this.#forgotten;
    const outcome = await this.#runCompiled(execution, compiled, settings);
    clearTimeout(timer);
    if (settings.reset) {
      this.forgetVariables();
      this.context.introspection.reset();
    }
    if (outcome.status === 'error') {
      // After an error no type errors are shown; what the cell declared before it exists all the same.
      if (!settings.reset && forgotten === this.#forgotten && typescript.trim() !== '')
        void this.context.introspection.ran(typescript, false, { line: outcome.failedLine });
      return outcome;
    }
    return {
      ...outcome,
      afterReply: async () => {
        this.context.history.flush();
        const ran = settings.reset ? undefined : this.#ran(execution, typescript, diagnosis === undefined);
        const found = diagnosis ?? ran;
        if (found) await this.#warn(execution, found);
      },
    };
  }

  async #runCompiled(
    execution: Execution,
    compiled: CompiledCell,
    { time }: MagicSettings,
  ): Promise<Outcome> {
    const { cell, count, code, silent, allowInput, userExpressions, request } = execution;
    for (const name of compiled.program.names) this.#variables.add(name);
    const file = cellFile(code);
    this.sources.set(file, { ...compiled, count, code });
    const done = await this.context.runtime.execute(
      {
        type: 'execute',
        cell,
        count,
        code,
        file,
        program: compiled.program,
        show: !silent,
        allowInput,
        userExpressions,
        time,
      },
      request,
    );
    return this.#settle(execution, done, file);
  }

  #settle(execution: Execution, { outcome, payload }: Done, file: string): Outcome {
    switch (outcome.kind) {
      case 'interrupted':
        return this.#interrupted(execution);
      case 'error':
        return {
          ...this.#error(execution, outcome.error, this.#traceback(outcome.error, file)),
          failedLine: failedLine(outcome.error, { cells: this.sources, colour: false, file }),
        };
      case 'ok': {
        const { output, history } = this.context;
        const { cell, count, silent, storeHistory } = execution;
        output.end(cell);
        const { result, expressions } = outcome;
        if (result && !silent && Object.keys(result.data).length > 0) {
          const shown = tidyBundle(result, this.sources);
          void output.publish(cell, 'execute_result', { execution_count: count, ...shown, transient: {} });
          const text = shown.data['text/plain'];
          if (storeHistory && typeof text === 'string') history.setOutput(count, text);
        }
        return {
          status: 'ok',
          reply: { status: 'ok', execution_count: count, payload, user_expressions: expressions },
        };
      }
    }
  }

  #interrupted(execution: Execution): Outcome {
    const message = 'the cell was interrupted; variables are kept';
    return this.#error(execution, { name: 'KeyboardInterrupt', message, stack: '' });
  }

  /** `?name`: help in the pager. */
  async #help(
    execution: Execution,
    { expression, detail }: { expression: string; detail: 0 | 1 },
  ): Promise<Outcome> {
    const { found, data } = await this.context.introspection.inspect(
      expression,
      [...expression].length,
      detail,
    );
    const shown = found ? data : { 'text/plain': `nothing is known of '${expression}'` };
    return {
      status: 'ok',
      reply: {
        status: 'ok',
        execution_count: execution.count,
        payload: [{ source: 'page', data: shown, start: 0 }],
        user_expressions: {},
      },
    };
  }

  /** Says that a cell has run; resolves to its type errors, if they are still to be found. */
  #ran(
    { silent }: Execution,
    typescript: string,
    check: boolean,
  ): Promise<readonly Diagnostic[]> | undefined {
    if (typescript.trim() === '') return undefined;
    return this.context.introspection.ran(typescript, check && !silent && this.context.checkTypes);
  }

  async #diagnose({ silent }: Execution, typescript: string): Promise<readonly Diagnostic[]> {
    if (silent || typescript.trim() === '' || !(this.context.checkTypes || this.#strict)) return [];
    return this.context.introspection.diagnose(typescript).catch(() => []);
  }

  /** Shows type errors as warnings; those that come too late for the cell's end are shown after it. */
  async #warn(execution: Execution, diagnosis: Promise<readonly Diagnostic[]>): Promise<void> {
    const { output, introspection } = this.context;
    const print = (found: readonly Diagnostic[]) => {
      if (found.length === 0) return;
      output.stream(execution.cell, 'stderr', `${this.#diagnosticText(execution, found)}\n`);
      output.flush();
    };
    const found = await introspection.diagnoseSoon(diagnosis);
    if (found) print(found);
    else void diagnosis.then(print);
  }

  #diagnosticText({ code }: Execution, found: readonly Diagnostic[]): string {
    const shown = found.slice(0, DIAGNOSTICS_SHOWN).map(({ code: number, message, start, severity }) => {
      const head = `TypeScript ${severity} TS${number} (line ${start.line + 1}, column ${start.column + 1}): ${message}`;
      return [head, ...codeFrame(code, start, this.context.colour, 0)].join('\n');
    });
    const more = found.length - shown.length;
    return [...shown, ...(more > 0 ? [`… and ${more} more`] : [])].join('\n');
  }

  #typeErrors(execution: Execution, errors: readonly Diagnostic[]): Outcome {
    const [first] = errors;
    const message = `TS${first!.code} (line ${first!.start.line + 1}): ${first!.message}`;
    const text = this.#diagnosticText(execution, errors);
    const hint = 'The cell was not run, because %strict is on.';
    return this.#error(execution, { name: 'TypeScriptError', message, stack: '' }, [
      ...text.split('\n'),
      hint,
    ]);
  }

  #traceback(error: ThrownValue, file?: string): string[] {
    return traceback(error, { cells: this.sources, colour: this.context.colour, ...(file ? { file } : {}) });
  }

  #error({ cell, count, silent }: Execution, error: ThrownValue, lines = this.#traceback(error)): Outcome {
    const { output } = this.context;
    const content = { ename: error.name, evalue: error.message, traceback: lines };
    output.end(cell);
    if (!silent) void output.publish(cell, 'error', content);
    return { status: 'error', reply: { status: 'error', execution_count: count, ...content } };
  }

  #syntaxError(execution: Execution, { line, column = 0, message }: SourceSyntaxError): Outcome {
    const lines = [`SyntaxError: ${message}`];
    if (line !== undefined) {
      lines.push(`  In[${execution.count}], line ${line + 1}, column ${column + 1}`);
      lines.push(...codeFrame(execution.code, { line, column }, this.context.colour));
    }
    return this.#error(execution, { name: 'SyntaxError', message, stack: '' }, lines);
  }
}
