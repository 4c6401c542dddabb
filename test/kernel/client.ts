import { type ChildProcess, spawn } from 'node:child_process';
import { createHmac, randomUUID } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Dealer, Request, Subscriber } from 'zeromq';
import { within } from './waiting.js';

/** What the tests read of a message. */
export interface TestMessage {
  readonly type: string;
  readonly header: Record<string, any>;
  readonly parent: Record<string, any>;
  readonly metadata: Record<string, any>;
  readonly content: Record<string, any>;
  readonly buffers: readonly Buffer[];
}

/** What a cell came to: its reply, and everything on iopub up to its `idle`. */
export interface Run {
  readonly reply: Record<string, any>;
  readonly messages: readonly TestMessage[];
  readonly stdout: string;
  readonly stderr: string;
  /** text/plain of the result. */
  readonly result: string | undefined;
  readonly error: { ename: string; evalue: string; traceback: string[] } | undefined;
  /** Contents of display_data and execute_result. */
  readonly displays: readonly Record<string, any>[];
}

export interface StartOptions {
  readonly transport?: 'ipc' | 'tcp';
  readonly ip?: string;
  readonly environment?: Record<string, string>;
  /** Files to lay into the notebook's folder. */
  readonly files?: Record<string, string>;
  /** Folder to run in; a fresh one by default. */
  readonly directory?: string;
  readonly curve?: { publicKey: string; secretKey: string };
  /** Node to run the kernel with; by default the one in FOVEA_TEST_NODE, or that of the tests. */
  readonly node?: string;
}

type Channel = 'shell' | 'control' | 'stdin';

const entry = fileURLToPath(new URL('../../kernel/bin/fovea.js', import.meta.url));

/** A free TCP port. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A kernel of its own for a test, and a small client that speaks the wire protocol to it. */
export class TestKernel {
  readonly session = randomUUID();
  readonly log: string[] = [];
  /** Everything heard on iopub. */
  readonly heard: TestMessage[] = [];
  #waiters: { matches(message: TestMessage): boolean; resolve(message: TestMessage): void }[] = [];
  #replies: { channel: Channel; message: TestMessage }[] = [];
  #replyWaiters: { channel: Channel; matches(m: TestMessage): boolean; resolve(m: TestMessage): void }[] = [];

  private constructor(
    readonly child: ChildProcess,
    readonly directory: string,
    readonly connection: Record<string, any>,
    readonly sockets: { shell: Dealer; control: Dealer; stdin: Dealer; iopub: Subscriber },
  ) {
    child.stderr?.on('data', (data: Buffer) => this.log.push(String(data)));
    child.stdout?.on('data', (data: Buffer) => this.log.push(String(data)));
    for (const channel of ['shell', 'control', 'stdin'] as const) void this.#listen(channel);
    void this.#hear();
  }

  static async start(options: StartOptions = {}): Promise<TestKernel> {
    const { transport = 'ipc', environment = {}, files = {}, curve } = options;
    const scratch = mkdtempSync(join(tmpdir(), 'fk-'));
    const directory = options.directory ?? scratch;
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
    const ports: number[] = [];
    for (let i = 0; i < 5; i++) ports.push(transport === 'ipc' ? i + 1 : await freePort());
    const [shell_port, iopub_port, stdin_port, control_port, hb_port] = ports;
    const connection: Record<string, any> = {
      transport,
      ip: transport === 'ipc' ? join(scratch, 'k') : (options.ip ?? '127.0.0.1'),
      shell_port,
      iopub_port,
      stdin_port,
      control_port,
      hb_port,
      key: randomUUID(),
      signature_scheme: 'hmac-sha256',
      kernel_name: 'fovea',
      ...(curve ? { curve_publickey: curve.publicKey, curve_secretkey: curve.secretKey } : {}),
    };
    const file = join(scratch, 'connection.json');
    writeFileSync(file, JSON.stringify(connection));
    const child = spawn(
      options.node ?? process.env.FOVEA_TEST_NODE ?? process.execPath,
      [entry, 'kernel', '-f', file],
      {
        cwd: directory,
        env: {
          ...process.env,
          NO_COLOR: '1',
          FOVEA_HISTORY: join(scratch, 'history.jsonl'),
          FOVEA_TYPES: 'off',
          ...environment,
        },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    return TestKernel.attach(connection, child, directory, curve);
  }

  /** Connects to a kernel that somebody else has started. */
  static async attach(
    connection: Record<string, any>,
    child: ChildProcess,
    directory: string,
    curve?: StartOptions['curve'],
  ): Promise<TestKernel> {
    const security = curve
      ? { curveServerKey: curve.publicKey, curvePublicKey: curve.publicKey, curveSecretKey: curve.secretKey }
      : {};
    const identity = randomUUID();
    const dealer = () =>
      new Dealer({
        routingId: identity,
        linger: 0,
        sendHighWaterMark: 0,
        receiveHighWaterMark: 0,
        ...security,
      });
    const sockets = {
      shell: dealer(),
      control: dealer(),
      stdin: dealer(),
      iopub: new Subscriber({ linger: 0, receiveHighWaterMark: 0, ...security }),
    };
    sockets.iopub.subscribe();
    for (const channel of ['shell', 'control', 'stdin', 'iopub'] as const) {
      sockets[channel].connect(TestKernel.address(connection, channel));
    }
    const kernel = new TestKernel(child, directory, connection, sockets);
    await within(kernel.#ready(), 30_000, `the kernel to start\n${kernel.log.join('')}`);
    return kernel;
  }

  static address(connection: Record<string, any>, channel: Channel | 'iopub' | 'hb'): string {
    const separator = connection.transport === 'ipc' ? '-' : ':';
    return `${connection.transport}://${connection.ip}${separator}${connection[`${channel}_port`]}`;
  }

  async #ready(): Promise<void> {
    await Promise.all([
      this.request('control', 'kernel_info_request'),
      this.wait(({ type }) => type === 'iopub_welcome'),
    ]);
  }

  /** The frames of a signed message. */
  frames(
    type: string,
    content: unknown,
    extra: { header?: object; metadata?: object; buffers?: readonly Uint8Array[] } = {},
  ): { id: string; frames: (string | Uint8Array)[] } {
    const id = randomUUID();
    const header = {
      msg_id: id,
      session: this.session,
      username: 'test',
      date: new Date().toISOString(),
      msg_type: type,
      version: '5.4',
      ...extra.header,
    };
    const parts = [header, {}, extra.metadata ?? {}, content].map((part) => JSON.stringify(part));
    return { id, frames: ['<IDS|MSG>', this.sign(parts), ...parts, ...(extra.buffers ?? [])] };
  }

  sign(parts: readonly string[]): string {
    const hmac = createHmac('sha256', this.connection.key);
    for (const part of parts) hmac.update(part);
    return hmac.digest('hex');
  }

  /** Sends a request without waiting for anything; returns its id. */
  send(
    channel: Channel,
    type: string,
    content: unknown = {},
    extra: Parameters<TestKernel['frames']>[2] = {},
  ): string {
    const { id, frames } = this.frames(type, content, extra);
    void this.sendFrames(channel, frames);
    return id;
  }

  readonly #stopped = new AbortController();
  #sending: Promise<unknown> = Promise.resolve();

  sendFrames(channel: Channel, frames: readonly (string | Uint8Array)[]): Promise<unknown> {
    this.#sending = this.#sending.then(() => this.sockets[channel].send(frames as string[]));
    return this.#sending;
  }

  /** Sends a request and waits for its reply. */
  async request(
    channel: Channel,
    type: string,
    content: unknown = {},
    extra: Parameters<TestKernel['frames']>[2] = {},
    ms = 20_000,
  ): Promise<TestMessage> {
    const id = this.send(channel, type, content, extra);
    return this.reply(channel, id, ms);
  }

  /** The reply to a request that was sent. */
  reply(channel: Channel, id: string, ms = 20_000): Promise<TestMessage> {
    const matches = (message: TestMessage) => message.parent.msg_id === id;
    const at = this.#replies.findIndex((one) => one.channel === channel && matches(one.message));
    if (at >= 0) return Promise.resolve(this.#replies.splice(at, 1)[0]!.message);
    const found = new Promise<TestMessage>((resolve) =>
      this.#replyWaiters.push({ channel, matches, resolve }),
    );
    return within(found, ms, `a reply on ${channel}\n${this.log.join('')}`, this.#stopped.signal);
  }

  /** The first message on iopub, heard already or to come, that fits. */
  wait(matches: (message: TestMessage) => boolean, ms = 20_000): Promise<TestMessage> {
    const found = this.heard.find(matches);
    if (found) return Promise.resolve(found);
    return within(
      new Promise<TestMessage>((resolve) => this.#waiters.push({ matches, resolve })),
      ms,
      `a message on iopub\n${this.log.join('')}`,
      this.#stopped.signal,
    );
  }

  idle(id: string, ms = 20_000): Promise<TestMessage> {
    return this.wait(
      ({ type, parent, content }) =>
        type === 'status' && parent.msg_id === id && content.execution_state === 'idle',
      ms,
    );
  }

  /** Runs a cell to its end. */
  async execute(
    code: string,
    options: { content?: Record<string, unknown>; header?: object; ms?: number } = {},
  ): Promise<Run> {
    const id = this.start(code, options);
    return this.finished(id, options.ms);
  }

  /** Starts a cell; returns its id. */
  start(
    code: string,
    { content = {}, header }: { content?: Record<string, unknown>; header?: object } = {},
  ): string {
    return this.send(
      'shell',
      'execute_request',
      {
        code,
        silent: false,
        store_history: true,
        user_expressions: {},
        allow_stdin: true,
        stop_on_error: true,
        ...content,
      },
      header ? { header } : {},
    );
  }

  /** Waits for the end of a cell that was started. */
  async finished(id: string, ms = 20_000): Promise<Run> {
    const [{ content: reply }] = await Promise.all([this.reply('shell', id, ms), this.idle(id, ms)]);
    const messages = this.heard.filter(({ parent }) => parent.msg_id === id);
    const text = (name: string) =>
      messages
        .filter(({ type, content }) => type === 'stream' && content.name === name)
        .map(({ content }) => content.text)
        .join('');
    const result = messages.find(({ type }) => type === 'execute_result');
    const error = messages.find(({ type }) => type === 'error');
    return {
      reply,
      messages,
      stdout: text('stdout'),
      stderr: text('stderr'),
      result: result?.content.data['text/plain'],
      error: error?.content as Run['error'],
      displays: messages
        .filter(({ type }) => type === 'display_data' || type === 'execute_result')
        .map(({ content }) => content),
    };
  }

  /** Sends one heartbeat and waits for its echo. */
  async heartbeat(ms = 5000): Promise<string> {
    const socket = new Request({ linger: 0 });
    try {
      socket.connect(TestKernel.address(this.connection, 'hb'));
      await socket.send('ping');
      const [echo] = await within(socket.receive(), ms, 'a heartbeat');
      return String(echo);
    } finally {
      socket.close();
    }
  }

  interrupt(ms = 20_000): Promise<TestMessage> {
    return this.request('control', 'interrupt_request', {}, {}, ms);
  }

  /** Process ids of the kernel's runtime. */
  runtimePids(): number[] {
    const children = readFileSync(`/proc/${this.child.pid}/task/${this.child.pid}/children`, 'utf8');
    return children
      .split(' ')
      .filter(Boolean)
      .map(Number)
      .filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('runtime/main.js'));
  }

  /** Ends the kernel whatever state it is in. */
  async stop(): Promise<void> {
    // What nobody waits for any more must not fail in a later test.
    this.#stopped.abort();
    for (const socket of Object.values(this.sockets)) socket.close();
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise((resolve) => this.child.once('exit', resolve));
      this.child.kill('SIGKILL');
      await ended;
    }
    const scratch = this.connection.transport === 'ipc' ? join(this.connection.ip, '..') : this.directory;
    // A kernel that is killed does not remove the cells that it wrote for a debugger.
    for (const folder of [scratch, join(tmpdir(), `fovea_${this.child.pid}`)])
      rmSync(folder, { recursive: true, force: true });
  }

  async #listen(channel: Channel): Promise<void> {
    for await (const frames of this.sockets[channel]) {
      const message = parse(frames);
      const at = this.#replyWaiters.findIndex((one) => one.channel === channel && one.matches(message));
      if (at >= 0) this.#replyWaiters.splice(at, 1)[0]!.resolve(message);
      else {
        this.#replies.push({ channel, message });
        if (channel === 'stdin') for (const answer of this.onInput) answer(message);
      }
    }
  }

  /** Called with each input_request. */
  readonly onInput: ((request: TestMessage) => void)[] = [];

  async #hear(): Promise<void> {
    for await (const frames of this.sockets.iopub) {
      const message = parse(frames);
      this.heard.push(message);
      const done = this.#waiters.filter(({ matches }) => matches(message));
      this.#waiters = this.#waiters.filter((waiter) => !done.includes(waiter));
      for (const { resolve } of done) resolve(message);
    }
  }
}

function parse(frames: readonly Buffer[]): TestMessage {
  const at = frames.findIndex((frame) => frame.toString('latin1') === '<IDS|MSG>');
  const [header, parent, metadata, content] = frames
    .slice(at + 2, at + 6)
    .map((frame) => JSON.parse(frame.toString('utf8')));
  return { type: header.msg_type, header, parent, metadata, content, buffers: frames.slice(at + 6) };
}
