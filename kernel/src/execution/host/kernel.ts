import type { JsonObject } from '../../json-object.js';
import type { Connection } from '../../protocol/connection.js';
import { type Message, PROTOCOL_VERSION } from '../../protocol/message.js';
import { type RequestChannel, Transport } from '../../protocol/transport.js';
import type { RuntimeLink } from '../runtime-link.js';
import { CommRouter, isCommType } from './comm-router.js';
import { Debugging } from './debugging.js';
import { Executor } from './executor.js';
import { History, historyFile } from './history.js';
import { Introspection } from './introspection.js';
import { languageInfo } from './language-info.js';
import { Output } from './output.js';
import { Runtime } from './runtime.js';
import { Shells } from './subshells.js';
import { tidyBundle, tidyStacks, traceback } from './traceback.js';

export interface KernelOptions {
  readonly connection: Connection;
  /** Folder in which imports and files are looked up. */
  readonly directory: string;
  readonly version: string;
  /** Characters of stream text that one cell may print. */
  readonly outputLimit: number;
  readonly colour: boolean;
  /** Whether type errors are shown after each cell. */
  readonly checkTypes: boolean;
  log(line: string): void;
  /** Called when the kernel has shut down. */
  exit(): void;
}

type Handler = (
  message: Message,
  channel: RequestChannel,
) => JsonObject | undefined | Promise<JsonObject | undefined>;

/** The host process: answers Jupyter's messages, and has the runtime do what they ask. */
export class Kernel {
  readonly #transport: Transport;
  readonly #output: Output;
  readonly #runtime: Runtime;
  readonly #introspection: Introspection;
  readonly #history: History;
  readonly #executor: Executor;
  readonly #comms: CommRouter;
  readonly #shells: Shells;
  readonly #debugging: Debugging;
  readonly #restartListeners = new Set<() => void>();
  #closing: Promise<void> | undefined;

  constructor(private readonly options: KernelOptions) {
    const { directory, colour } = options;
    this.#transport = new Transport(options.connection, {
      onMessage: (channel, message) => this.#receive(channel, message),
      onLog: options.log,
    });
    const transport = this.#transport;
    this.#output = new Output(transport, options.outputLimit);
    const output = this.#output;
    this.#runtime = new Runtime({
      directory,
      transport,
      output,
      describe: (error) => traceback(error, { cells: this.#executor.sources, colour }).join('\n'),
      tidy: (text) => tidyStacks(text, this.#executor.sources),
      tidyBundle: (bundle) => tidyBundle(bundle, this.#executor.sources),
      onComm: (message, buffers) => this.#comms.send(message, buffers),
      onTargets: (names) => this.#comms.setTargets(names),
      onRestart: () => this.#restarted(),
    });
    const runtime = this.#runtime;
    this.#introspection = new Introspection({ directory, runtime });
    this.#history = new History(historyFile(directory), options.log);
    this.#executor = new Executor({
      output,
      runtime,
      history: this.#history,
      introspection: this.#introspection,
      colour,
      checkTypes: options.checkTypes,
      isDebugging: () => this.#debugging.attached,
    });
    const executor = this.#executor;
    this.#comms = new CommRouter({ transport, output, runtime, nextCell: () => executor.nextCell() });
    this.#shells = new Shells({ transport, output, executor, comms: this.#comms });
    this.#debugging = new Debugging(this.#link(), (event) => {
      void output.publish(undefined, 'debug_event', event);
    });
  }

  /** Binds the sockets. @throws FoveaError when one cannot be bound */
  async start(): Promise<void> {
    try {
      await this.#transport.bind();
    } catch (error) {
      await this.#runtime.close();
      throw error;
    }
    void this.#history.shorten();
    this.#status('starting', {});
  }

  /** Stops the running cell and forgets those that wait. */
  async interrupt(): Promise<void> {
    this.#shells.abort();
    this.#executor.interrupt();
    await this.#debugging.interrupt();
    await this.#runtime.interrupt();
  }

  /** Ends the kernel; resolves when all its processes have ended and its ports and files are free. */
  shutdown(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#debugging.dispose();
    this.#introspection.dispose();
    await this.#runtime.close();
    this.#history.flush();
    this.#output.flush();
    await this.#transport.close();
    this.options.exit();
  }

  #receive(channel: RequestChannel, message: Message): void {
    const type = message.header.msg_type;
    if (channel === 'stdin') {
      if (type === 'input_reply') this.#runtime.answerInput(String(message.content.value ?? ''));
      return;
    }
    if (channel === 'shell' && (type === 'execute_request' || isCommType(type))) {
      const shell = this.#shells.of(message);
      if (shell) void shell.push(message);
      else void this.#answer(channel, message, () => noSubshell(message.header.subshell_id));
      return;
    }
    const handler = Object.hasOwn(this.#handlers, type) ? this.#handlers[type] : undefined;
    if (handler) void this.#answer(channel, message, handler);
    else this.options.log(`a message of unknown type ${JSON.stringify(type)} on ${channel} was ignored`);
  }

  /** Answers a request immediately, even while a cell runs: busy, reply, idle. */
  async #answer(channel: RequestChannel, message: Message, handler: Handler): Promise<void> {
    this.#status('busy', message.header);
    let content: JsonObject | undefined;
    try {
      content = await handler(message, channel);
    } catch (error) {
      const { name, message: text } = error as Error;
      this.options.log(`${message.header.msg_type} failed: ${text}`);
      content = { status: 'error', ename: name, evalue: text, traceback: [] };
    }
    const type = message.header.msg_type.replace(/_request$/, '_reply');
    if (content) void this.#transport.reply(channel, type, content, message);
    this.#status('idle', message.header);
    // Front ends show the last status they received, and a cell may still be running.
    const { running } = this.#shells;
    if (running) this.#status('busy', running.header);
    if (message.header.msg_type === 'shutdown_request') await this.shutdown();
  }

  readonly #handlers: Readonly<Record<string, Handler>> = {
    kernel_info_request: () => this.#info(),
    complete_request: ({ content }) => this.#introspection.complete(text(content, 'code'), position(content)),
    inspect_request: async ({ content }) => {
      const detail = content.detail_level === 1 ? 1 : 0;
      return {
        status: 'ok',
        ...(await this.#introspection.inspect(text(content, 'code'), position(content), detail)),
      };
    },
    is_complete_request: ({ content }) => this.#introspection.isComplete(text(content, 'code')),
    history_request: ({ content }) => ({ status: 'ok', history: this.#history.answer(content) }),
    comm_info_request: ({ content }) => ({ status: 'ok', comms: this.#comms.info(content.target_name) }),
    debug_request: ({ content }) => this.#debugging.handle(content),
    interrupt_request: async () => {
      await this.interrupt();
      return { status: 'ok' };
    },
    shutdown_request: ({ content }) => ({ status: 'ok', restart: content.restart === true }),
    create_subshell_request: () => ({ status: 'ok', subshell_id: this.#shells.create() }),
    delete_subshell_request: ({ content }) => {
      const id = String(content.subshell_id);
      return this.#shells.delete(id) ? { status: 'ok' } : noSubshell(id);
    },
    list_subshell_request: () => ({ status: 'ok', subshell_id: this.#shells.list() }),
  };

  #restarted(): void {
    this.#comms.closeAll();
    this.#executor.forgetVariables();
    this.#introspection.reset();
    for (const listener of this.#restartListeners) listener();
  }

  #status(state: string, parent: Message['parentHeader']): void {
    this.#output.flush();
    void this.#transport.publish('status', { execution_state: state }, parent);
  }

  #link(): RuntimeLink {
    const runtime = this.#runtime;
    const { sources } = this.#executor;
    return {
      inspector: (method, params = {}) => runtime.inspector(method, params),
      onInspectorEvent: (listener) => runtime.onInspectorEvent(listener),
      onRestart: (listener) => {
        this.#restartListeners.add(listener);
        return () => this.#restartListeners.delete(listener);
      },
      toScript: (file, place) => sources.get(file)?.toScript(place) ?? place,
      toSource: (file, place) => sources.get(file)?.toSource(place) ?? place,
    };
  }

  #info(): JsonObject {
    return {
      status: 'ok',
      protocol_version: PROTOCOL_VERSION,
      implementation: 'fovea',
      implementation_version: this.options.version,
      language_info: languageInfo,
      banner: `Fovea ${this.options.version}: TypeScript on Node ${process.version}`,
      help_links: [],
      supported_features: ['kernel subshells', 'debugger'],
      debugger: true,
    };
  }
}

function text(content: JsonObject, name: string): string {
  const value = content[name];
  return typeof value === 'string' ? value : '';
}

/** The cursor of a request in code points; the end of the code when the request has none. */
function position(content: JsonObject): number {
  const cursor = content.cursor_pos;
  return typeof cursor === 'number' && cursor >= 0 ? cursor : [...text(content, 'code')].length;
}

function noSubshell(id: unknown): JsonObject {
  return {
    status: 'error',
    ename: 'SubshellError',
    evalue: `there is no subshell ${String(id)}`,
    traceback: [],
  };
}
