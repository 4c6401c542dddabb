import { randomUUID } from 'node:crypto';
import { FoveaError } from '@fovea/engine/errors';
import { Reply, Router, XPublisher } from 'zeromq';
import type { JsonObject } from '../json-object.js';
import { address, type Channel, type Connection } from './connection.js';
import { MessageRefused, Signer } from './frames.js';
import { decode, encode, type Header, header, type Message, ReplayGuard } from './message.js';
import { QueuedSocket } from './socket.js';

export type RequestChannel = 'shell' | 'control' | 'stdin';

export interface TransportEvents {
  /** A well-formed, correctly signed request arrived. */
  onMessage(channel: RequestChannel, message: Message): void;
  /** Something that an operator may want to read: a refused message, a failed send. */
  onLog(line: string): void;
}

export interface ReplyOptions {
  readonly metadata?: JsonObject;
  readonly buffers?: readonly Uint8Array[];
}

/** The five sockets of a kernel: binds them, checks what arrives, keeps the order of what leaves. */
export class Transport {
  readonly session = randomUUID();
  readonly #signer: Signer;
  readonly #replays = new ReplayGuard();
  readonly #router: Record<RequestChannel, QueuedSocket<Router>>;
  readonly #iopub: QueuedSocket<XPublisher>;
  readonly #heartbeat: Reply;
  #closed = false;

  /** @throws FoveaError `unsupported` for a signature scheme that cannot be computed here. */
  constructor(
    readonly connection: Connection,
    private readonly events: TransportEvents,
  ) {
    this.#signer = new Signer(connection.key, connection.signature_scheme);
    const failed = (error: unknown) => {
      if (!this.#closed) events.onLog(`a message could not be sent: ${String(error)}`);
    };
    const secure = connection.curve_secretkey
      ? {
          curveServer: true,
          curveSecretKey: connection.curve_secretkey,
          curvePublicKey: connection.curve_publickey!,
        }
      : {};
    const router = () =>
      new QueuedSocket(new Router({ linger: 1000, sendHighWaterMark: 0, handover: true, ...secure }), failed);
    this.#router = { shell: router(), control: router(), stdin: router() };
    this.#iopub = new QueuedSocket(new XPublisher({ linger: 1000, sendHighWaterMark: 0, ...secure }), failed);
    this.#iopub.socket.verbosity = 'allSubs';
    this.#heartbeat = new Reply({ linger: 0, ...secure });
  }

  /**
   * Binds all sockets and starts to listen.
   *
   * @throws FoveaError `io`, naming the channel and the address, when one cannot be bound.
   */
  async bind(): Promise<void> {
    const sockets: [Channel, { bind(address: string): Promise<void> }][] = [
      ['shell', this.#router.shell.socket],
      ['control', this.#router.control.socket],
      ['stdin', this.#router.stdin.socket],
      ['iopub', this.#iopub.socket],
      ['hb', this.#heartbeat],
    ];
    await Promise.all(
      sockets.map(async ([channel, socket]) => {
        const where = address(this.connection, channel);
        try {
          await socket.bind(where);
        } catch (error) {
          throw new FoveaError(
            'io',
            `cannot bind the ${channel} channel to ${where}: ${(error as Error).message}`,
            {
              cause: error,
            },
          );
        }
      }),
    );
    for (const channel of ['shell', 'control', 'stdin'] as const) void this.#listen(channel);
    void this.#welcomeSubscribers();
    void this.#echoHeartbeats();
  }

  /** Publishes on iopub; resolves when the transport has taken the message. */
  publish(
    type: string,
    content: unknown,
    parent: Partial<Header>,
    options: ReplyOptions = {},
  ): Promise<void> {
    const head = header(type, this.session);
    return this.#iopub.send(() =>
      encode({ identities: [type], header: head, content, parentHeader: parent, ...options }, this.#signer),
    );
  }

  /** Lets work that was begun in this turn of the event loop go ahead of what is published from now on. */
  yieldPublishing(): void {
    this.#iopub.yield();
  }

  /** Answers a request (or asks, for `input_request` on stdin) with the identities that it came with. */
  reply(
    channel: RequestChannel,
    type: string,
    content: unknown,
    request: Message,
    options: ReplyOptions = {},
  ): Promise<void> {
    const head = header(type, this.session);
    return this.#router[channel].send(() =>
      encode(
        {
          identities: request.identities,
          header: head,
          content,
          parentHeader: request.header,
          ...options,
        },
        this.#signer,
      ),
    );
  }

  /** Sends what is queued, then closes all sockets. */
  async close(): Promise<void> {
    await Promise.all([
      this.#iopub.drained(),
      ...Object.values(this.#router).map((socket) => socket.drained()),
    ]);
    this.#closed = true;
    for (const { socket } of [this.#iopub, ...Object.values(this.#router)]) socket.close();
    this.#heartbeat.close();
  }

  async #listen(channel: RequestChannel): Promise<void> {
    for await (const frames of this.#router[channel].socket) {
      try {
        this.events.onMessage(channel, decode(frames, this.#signer, this.#replays));
      } catch (error) {
        if (!(error instanceof MessageRefused)) throw error;
        this.events.onLog(`a message on ${channel} was ignored: ${error.message}`);
      }
    }
  }

  /** JEP 65: tells each new subscriber that its subscription is in place. */
  async #welcomeSubscribers(): Promise<void> {
    for await (const [frame] of this.#iopub.socket) {
      if (frame?.[0] !== 1) continue;
      const subscription = frame.subarray(1);
      void this.#iopub.send(() =>
        encode(
          {
            identities: [subscription],
            header: header('iopub_welcome', this.session),
            content: { subscription: subscription.toString('utf8') },
          },
          this.#signer,
        ),
      );
    }
  }

  async #echoHeartbeats(): Promise<void> {
    for await (const frames of this.#heartbeat) await this.#heartbeat.send(frames);
  }
}
