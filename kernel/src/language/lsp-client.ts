import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { FoveaError } from '@fovea/engine/errors';
import {
  createMessageConnection,
  type MessageConnection,
  RequestType,
  StreamMessageReader,
  StreamMessageWriter,
} from 'vscode-jsonrpc/node';

const require = createRequire(import.meta.url);

/** Longest wait for an answer before the server is taken for dead. */
const answerTimeoutMs = 20_000;
const hasEnded = 'the TypeScript language server has ended';
const ConfigurationRequest = new RequestType<{ items: readonly unknown[] }, null[], void>(
  'workspace/configuration',
);

/**
 * The native TypeScript compiler for this platform. Its JavaScript launcher is passed by: it would cost one
 * more process.
 * @throws FoveaError `unsupported` when the platform's package is not installed
 */
function languageServerPath(): string {
  const name = `@typescript/typescript-${process.platform}-${process.arch}`;
  try {
    const typescript = dirname(require.resolve('typescript/package.json'));
    const platform = dirname(require.resolve(`${name}/package.json`, { paths: [typescript] }));
    return join(platform, 'lib', process.platform === 'win32' ? 'tsc.exe' : 'tsc');
  } catch (cause) {
    throw new FoveaError('unsupported', `the TypeScript language server ${name} is not installed`, { cause });
  }
}

const typescriptServer = (): [string, ...string[]] => [languageServerPath(), '--lsp', '--stdio'];

/** One run of the language server: a child process that speaks JSON-RPC over its pipes. */
export class LspClient {
  readonly #child: ChildProcess;
  readonly #connection: MessageConnection;
  #ended = false;
  /** Resolves when the server has answered the handshake. */
  readonly ready: Promise<void>;

  /**
   * @param directory the folder that the notebook is in
   * @param server program of the server, and its arguments
   */
  constructor(directory: string, [program, ...args]: readonly [string, ...string[]] = typescriptServer()) {
    this.#child = spawn(program, args, {
      cwd: directory,
      // Go lets its heap double between collections by default: half of that takes hardly more time.
      env: { GOGC: '50', ...process.env },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.on('error', () => this.#end());
    this.#child.on('exit', () => this.#end());
    const { stdin, stdout } = this.#child as { readonly stdin: Writable; readonly stdout: Readable };
    // The child must not keep a script alive that has otherwise ended.
    this.#child.unref();
    for (const pipe of [stdin, stdout]) (pipe as { unref?: () => void }).unref?.();
    this.#connection = createMessageConnection(
      new StreamMessageReader(stdout),
      new StreamMessageWriter(stdin),
    );
    // A broken pipe, or bytes that are no messages: nothing that follows could be trusted.
    this.#connection.onError(() => this.dispose());
    this.#connection.onClose(() => this.#end());
    // What the server asks of its front end is answered with the defaults.
    this.#connection.onRequest(ConfigurationRequest, ({ items }) => items.map(() => null));
    this.#connection.onRequest(() => null);
    this.#connection.listen();
    this.ready = this.request('initialize', {
      processId: process.pid,
      rootUri: pathToFileURL(directory).href,
      capabilities: {
        textDocument: {
          completion: { completionItem: { documentationFormat: ['markdown'] } },
          hover: { contentFormat: ['markdown'] },
          signatureHelp: { signatureInformation: { documentationFormat: ['markdown'] } },
          definition: { linkSupport: true },
          documentSymbol: { hierarchicalDocumentSymbolSupport: true },
          diagnostic: {},
        },
      },
      initializationOptions: {
        // Diagnostics are asked for when a cell runs; computing them after every keystroke would be waste.
        disablePushDiagnostics: true,
        userPreferences: { includeCompletionsForModuleExports: false },
      },
    }).then(() => this.notify('initialized', {}));
    this.ready.catch(() => undefined);
  }

  /** True once the process has ended; every request is rejected then. */
  get ended(): boolean {
    return this.#ended;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** @throws FoveaError `io` when the server reports an error, does not answer, or has ended */
  async request<Result>(method: string, params: unknown): Promise<Result> {
    if (this.#ended) throw new FoveaError('io', hasEnded);
    let late: NodeJS.Timeout | undefined;
    try {
      return await Promise.race([
        this.#connection.sendRequest<Result>(method, params),
        new Promise<never>((_, reject) => {
          late = setTimeout(() => {
            reject(new FoveaError('io', `the TypeScript language server did not answer ${method}`));
            this.dispose();
          }, answerTimeoutMs);
        }),
      ]);
    } catch (error) {
      if (error instanceof FoveaError) throw error;
      const message = this.#ended ? hasEnded : `the TypeScript language server: ${(error as Error).message}`;
      throw new FoveaError('io', message, { cause: error });
    } finally {
      clearTimeout(late);
    }
  }

  notify(method: string, params: unknown): void {
    if (this.#ended) return;
    // What cannot be written is an error of the connection, which ends it.
    this.#connection.sendNotification(method, params).catch(() => undefined);
  }

  /** Ends the server immediately. */
  dispose(): void {
    this.#child.kill('SIGKILL');
    this.#end();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    // Requests that wait are rejected.
    this.#connection.dispose();
  }
}
