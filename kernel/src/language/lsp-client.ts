import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { FoveaError } from '@fovea/engine/errors';

const require = createRequire(import.meta.url);

/** Longest wait for an answer before the server is taken for dead. */
const answerTimeoutMs = 20_000;

/**
 * The native TypeScript compiler for this platform. Its JavaScript launcher is passed by: it would cost one
 * more process.
 * @throws FoveaError `unsupported` when the platform's package is not installed
 */
export function languageServerPath(): string {
  const name = `@typescript/typescript-${process.platform}-${process.arch}`;
  try {
    const typescript = dirname(require.resolve('typescript/package.json'));
    const platform = dirname(require.resolve(`${name}/package.json`, { paths: [typescript] }));
    return join(platform, 'lib', process.platform === 'win32' ? 'tsc.exe' : 'tsc');
  } catch (cause) {
    throw new FoveaError('unsupported', `the TypeScript language server ${name} is not installed`, { cause });
  }
}

interface Pending {
  resolve(result: unknown): void;
  reject(error: Error): void;
  readonly timer: NodeJS.Timeout;
}

/** One run of the language server: a child process that speaks JSON-RPC over its pipes. */
export class LspClient {
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, Pending>();
  /** What has arrived of messages that are not whole, and how much has to be there before it is looked at. */
  #chunks: Buffer[] = [];
  #arrived = 0;
  #wanted = 0;
  #nextId = 1;
  #ended = false;
  /** Resolves when the server has answered the handshake. */
  readonly ready: Promise<void>;

  /** @param directory the folder that the notebook is in */
  constructor(directory: string) {
    this.#child = spawn(languageServerPath(), ['--lsp', '--stdio'], {
      cwd: directory,
      // Go lets its heap double between collections by default: half of that takes hardly more time.
      env: { GOGC: '50', ...process.env },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    this.#child.on('error', () => this.#end());
    this.#child.on('exit', () => this.#end());
    this.#child.stdin!.on('error', () => this.#end());
    this.#child.stdout!.on('data', (chunk: Buffer) => this.#receive(chunk));
    // The child must not keep a script alive that has nothing else to do.
    this.#child.unref();
    for (const pipe of [this.#child.stdin, this.#child.stdout]) (pipe as { unref?: () => void }).unref?.();
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
  request<Result>(method: string, params: unknown): Promise<Result> {
    if (this.#ended) return Promise.reject(new FoveaError('io', 'the TypeScript language server has ended'));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#pending.delete(id);
        reject(new FoveaError('io', `the TypeScript language server did not answer ${method}`));
        this.dispose();
      }, answerTimeoutMs);
      this.#pending.set(id, { resolve: resolve as (result: unknown) => void, reject, timer });
      this.#send({ jsonrpc: '2.0', id, method, params });
    });
  }

  notify(method: string, params: unknown): void {
    this.#send({ jsonrpc: '2.0', method, params });
  }

  /** Ends the server at once. */
  dispose(): void {
    this.#child.kill('SIGKILL');
    this.#end();
  }

  #send(message: object): void {
    if (this.#ended) return;
    const body = Buffer.from(JSON.stringify(message));
    const stdin = this.#child.stdin!;
    // Messages of one moment leave together.
    if (stdin.writableCorked === 0) {
      stdin.cork();
      process.nextTick(() => stdin.uncork());
    }
    stdin.write(Buffer.concat([Buffer.from(`Content-Length: ${body.length}\r\n\r\n`), body]));
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#arrived += chunk.length;
    if (this.#arrived < this.#wanted) return;
    let bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    this.#wanted = 0;
    for (;;) {
      const head = bytes.indexOf('\r\n\r\n');
      if (head < 0) break;
      const length = Number(/Content-Length: *(\d+)/i.exec(bytes.toString('latin1', 0, head))?.[1]);
      if (!Number.isInteger(length)) {
        this.dispose();
        return;
      }
      const start = head + 4;
      if (bytes.length < start + length) {
        this.#wanted = start + length;
        break;
      }
      const body = bytes.toString('utf8', start, start + length);
      bytes = bytes.subarray(start + length);
      this.#handle(JSON.parse(body) as Incoming);
    }
    this.#chunks = bytes.length > 0 ? [bytes] : [];
    this.#arrived = bytes.length;
  }

  #handle({ id, method, params, result, error }: Incoming): void {
    if (id === undefined) return;
    if (method !== undefined) {
      const items = (params as { items?: readonly unknown[] } | undefined)?.items ?? [];
      const answer = method === 'workspace/configuration' ? items.map(() => null) : null;
      this.#send({ jsonrpc: '2.0', id, result: answer });
      return;
    }
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    clearTimeout(pending.timer);
    if (error === undefined) pending.resolve(result);
    else pending.reject(new FoveaError('io', `the TypeScript language server: ${error.message}`));
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const { reject, timer } of this.#pending.values()) {
      clearTimeout(timer);
      reject(new FoveaError('io', 'the TypeScript language server has ended'));
    }
    this.#pending.clear();
  }
}

interface Incoming {
  readonly id?: number;
  readonly method?: string;
  readonly params?: unknown;
  readonly result?: unknown;
  readonly error?: { readonly message: string };
}
