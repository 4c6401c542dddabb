import type { Connection } from '../../protocol/connection.js';
import { type Message, PROTOCOL_VERSION } from '../../protocol/message.js';
import { type RequestChannel, Transport } from '../../protocol/transport.js';
import { Executor } from './executor.js';
import { Output } from './output.js';
import { Runtime } from './runtime.js';
import { ShellQueue } from './shellQueue.js';
import { traceback } from './traceback.js';

export interface KernelOptions {
  readonly connection: Connection;
  /** Folder that imports and files are looked for from. */
  readonly directory: string;
  readonly version: string;
  /** Characters of stream text that one cell may print. */
  readonly outputLimit: number;
  readonly colour: boolean;
  log(line: string): void;
  /** Called when the kernel has shut down. */
  exit(): void;
}

/** The host process: answers Jupyter's messages, and has the runtime do what they ask. */
export class Kernel {
  readonly #transport: Transport;
  readonly #output: Output;
  readonly #runtime: Runtime;
  readonly #executor: Executor;
  readonly #shell: ShellQueue;

  constructor(private readonly options: KernelOptions) {
    this.#transport = new Transport(options.connection, {
      onMessage: (channel, message) => this.#receive(channel, message),
      onLog: options.log,
    });
    this.#output = new Output(this.#transport, options.outputLimit);
    this.#runtime = new Runtime({
      directory: options.directory,
      transport: this.#transport,
      output: this.#output,
      describe: (error) =>
        traceback(error, { cells: this.#executor.sources, colour: options.colour }).join('\n'),
    });
    this.#executor = new Executor({
      transport: this.#transport,
      output: this.#output,
      runtime: this.#runtime,
      colour: options.colour,
    });
    this.#shell = new ShellQueue({
      transport: this.#transport,
      output: this.#output,
      executor: this.#executor,
    });
  }

  /** Binds the sockets. @throws FoveaError when one cannot be bound */
  async start(): Promise<void> {
    await this.#transport.bind();
    this.#status('starting', {});
  }

  interrupt(): Promise<void> {
    return this.#runtime.interrupt();
  }

  async shutdown(): Promise<void> {
    this.#runtime.close();
    this.#output.flush();
    await this.#transport.close();
    this.options.exit();
  }

  #status(state: string, parent: Message['parentHeader']): void {
    this.#output.flush();
    void this.#transport.publish('status', { execution_state: state }, parent);
  }

  #receive(channel: RequestChannel, message: Message): void {
    if (channel === 'stdin') {
      if (message.header.msg_type === 'input_reply')
        this.#runtime.answerInput(String(message.content['value'] ?? ''));
      return;
    }
    if (message.header.msg_type === 'execute_request') {
      void this.#shell.push(message);
      return;
    }
    void this.#answer(channel, message);
  }

  async #answer(channel: RequestChannel, message: Message): Promise<void> {
    this.#status('busy', message.header);
    switch (message.header.msg_type) {
      case 'kernel_info_request':
        void this.#transport.reply(channel, 'kernel_info_reply', this.#info(), message);
        break;
      case 'interrupt_request':
        await this.#runtime.interrupt();
        void this.#transport.reply(channel, 'interrupt_reply', { status: 'ok' }, message);
        break;
      case 'shutdown_request':
        void this.#transport.reply(
          channel,
          'shutdown_reply',
          { status: 'ok', restart: message.content['restart'] === true },
          message,
        );
        this.#status('idle', message.header);
        await this.shutdown();
        return;
      default:
    }
    this.#status('idle', message.header);
  }

  #info() {
    return {
      status: 'ok',
      protocol_version: PROTOCOL_VERSION,
      implementation: 'fovea',
      implementation_version: this.options.version,
      language_info: {
        name: 'typescript',
        version: '7.0.2',
        mimetype: 'text/x.typescript',
        file_extension: '.ts',
        pygments_lexer: 'typescript',
        codemirror_mode: 'typescript',
        nbconvert_exporter: 'script',
      },
      banner: `Fovea ${this.options.version}: TypeScript on Node ${process.version}`,
      help_links: [],
      supported_features: ['kernel subshells', 'debugger'],
      debugger: true,
    };
  }
}
