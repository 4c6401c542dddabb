import type { Json, Message } from '../../protocol/message.js';
import type { Transport } from '../../protocol/transport.js';
import { cellFile } from '../cells/cellFile.js';
import { CellSyntaxError, compileCell } from '../cells/compile.js';
import type { Done, ThrownValue } from '../wire.js';
import type { Output } from './output.js';
import type { Runtime } from './runtime.js';
import { type CellSource, codeFrame, traceback } from './traceback.js';

/** What an execute_request came to. */
export interface Outcome {
  readonly status: 'ok' | 'error';
  /** Content of the execute_reply. */
  readonly reply: Json;
}

export interface ExecutorContext {
  readonly transport: Transport;
  readonly output: Output;
  readonly runtime: Runtime;
  readonly colour: boolean;
}

interface ExecuteContent {
  readonly code: string;
  readonly silent: boolean;
  readonly storeHistory: boolean;
  readonly allowStdin: boolean;
  readonly stopOnError: boolean;
  readonly userExpressions: Readonly<Record<string, string>>;
}

/** Characters that one cell may have: what is larger is data, and belongs in a file. */
const CODE_LIMIT = 8_000_000;

function readContent(content: Json): ExecuteContent {
  const expressions = content['user_expressions'];
  const silent = content['silent'] === true;
  return {
    code: typeof content['code'] === 'string' ? content['code'] : '',
    silent,
    storeHistory: !silent && content['store_history'] !== false,
    allowStdin: content['allow_stdin'] !== false,
    stopOnError: content['stop_on_error'] !== false,
    userExpressions: Object.fromEntries(
      Object.entries(typeof expressions === 'object' && expressions !== null ? expressions : {}).filter(
        ([, code]) => typeof code === 'string',
      ),
    ) as Record<string, string>,
  };
}

/** Runs execute requests: compiles the cell, has the runtime run it, reports what came of it. */
export class Executor {
  count = 0;
  readonly sources = new Map<string, CellSource>();
  #cells = 0;

  constructor(private readonly context: ExecutorContext) {}

  async execute(request: Message): Promise<Outcome> {
    const content = readContent(request.content);
    const { output } = this.context;
    if (content.storeHistory) this.count++;
    const { count } = this;
    const cell = ++this.#cells;
    output.begin(cell, request.header, content.silent);
    if (!content.silent) {
      void output.publish(cell, 'execute_input', { code: content.code, execution_count: count });
    }
    const outcome = await this.#run(cell, count, content, request);
    output.end(cell);
    return outcome;
  }

  async #run(cell: number, count: number, content: ExecuteContent, request: Message): Promise<Outcome> {
    const { code } = content;
    if (code.length > CODE_LIMIT) {
      return this.#error(cell, count, content.silent, {
        name: 'RangeError',
        message: `the cell has ${code.length.toLocaleString('en')} characters; up to ${CODE_LIMIT.toLocaleString('en')} are accepted. Read data from a file instead.`,
        stack: '',
      });
    }
    if (code.trim() === '') return this.#ok(cell, count, content.silent, { kind: 'ok', expressions: {} }, []);
    const file = cellFile(code);
    let program: Awaited<ReturnType<typeof compileCell>>;
    try {
      program = await compileCell(code, { cell, show: true });
    } catch (error) {
      if (!(error instanceof CellSyntaxError)) throw error;
      return this.#syntaxError(cell, count, code, content.silent, error);
    }
    const { editor, ...plain } = program;
    this.sources.set(file, { count, code, original: (position) => editor.original(position) });
    const done = await this.context.runtime.execute(
      {
        type: 'execute',
        cell,
        count,
        code,
        file,
        program: plain,
        show: !content.silent,
        allowInput: content.allowStdin,
        userExpressions: content.userExpressions,
        time: false,
      },
      request,
    );
    return this.#settle(cell, count, content.silent, done);
  }

  #settle(cell: number, count: number, silent: boolean, { outcome, payload }: Done): Outcome {
    switch (outcome.kind) {
      case 'ok':
        return this.#ok(cell, count, silent, outcome, payload);
      case 'interrupted':
        return this.#error(cell, count, silent, {
          name: 'KeyboardInterrupt',
          message: 'the cell was interrupted; variables are kept',
          stack: '',
        });
      case 'error':
        return this.#error(cell, count, silent, outcome.error);
    }
  }

  #ok(
    cell: number,
    count: number,
    silent: boolean,
    outcome: Extract<Done['outcome'], { kind: 'ok' }>,
    payload: readonly Json[],
  ): Outcome {
    const { output } = this.context;
    output.end(cell);
    if (outcome.result && !silent) {
      void output.publish(cell, 'execute_result', {
        execution_count: count,
        ...outcome.result,
        transient: {},
      });
    }
    return {
      status: 'ok',
      reply: { status: 'ok', execution_count: count, payload, user_expressions: outcome.expressions },
    };
  }

  #error(cell: number, count: number, silent: boolean, error: ThrownValue, lines?: string[]): Outcome {
    const { output, colour } = this.context;
    const content = {
      ename: error.name,
      evalue: error.message,
      traceback: lines ?? traceback(error, { cells: this.sources, colour }),
    };
    output.end(cell);
    if (!silent) void output.publish(cell, 'error', content);
    return { status: 'error', reply: { status: 'error', execution_count: count, ...content } };
  }

  #syntaxError(cell: number, count: number, code: string, silent: boolean, error: CellSyntaxError): Outcome {
    const { line, column, message } = error;
    const lines = [`SyntaxError: ${message}`];
    if (line !== undefined) {
      lines.push(`  In[${count}], line ${line + 1}, column ${(column ?? 0) + 1}`);
      lines.push(...codeFrame(code, { line, column: column ?? 0 }, this.context.colour));
    }
    return this.#error(cell, count, silent, { name: 'SyntaxError', message, stack: '' }, lines);
  }
}
