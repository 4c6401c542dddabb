import { Dealer, Subscriber } from 'zeromq';
import { Signer } from '../../protocol/frames.js';
import type { ConnectionInfo } from './connection-file.js';
import { type Channel, decodeMessage, encodeMessage, type Message } from './message.js';

type Requesting = Exclude<Channel, 'iopub'>;

/** Sends one message at a time: a zeromq.js socket refuses a second send while one is under way. */
class SendQueue {
  private last: Promise<void> = Promise.resolve();

  constructor(private readonly socket: Dealer) {}

  send(frames: (Buffer | string)[]): void {
    this.last = this.last.then(() => this.socket.send(frames)).catch(() => undefined);
  }
}

/** Resolves when the other side has taken a socket's connection. */
function handshake(socket: Dealer): Promise<void> {
  return new Promise((resolve) => {
    socket.events.on('handshake', () => resolve());
  });
}

/** The client side of one kernel connection: three request channels and the broadcast channel. */
export class KernelChannels {
  /**
   * Resolves when every channel is connected. A kernel's question to the user is lost when it comes before the
   * stdin channel is, although the shell has long been answering.
   */
  readonly connected: Promise<unknown>;
  private readonly sockets: Record<Requesting, Dealer>;
  private readonly queues: Record<Requesting, SendQueue>;
  private readonly iopub = new Subscriber();
  private readonly signer: Signer;
  private closed = false;

  /**
   * Connects at once; ZeroMQ retries until the kernel has bound its ports.
   * @param identity names this client; the same on shell and stdin, as input requests go by it
   * @param receive gets every message with a valid signature, in order within a channel
   */
  constructor(
    connection: ConnectionInfo,
    identity: string,
    private readonly receive: (message: Message) => void,
  ) {
    this.signer = new Signer(connection.key);
    const address = (port: number) => `${connection.transport}://${connection.ip}:${port}`;
    const dealer = (): Dealer => {
      const socket = new Dealer({ routingId: identity, linger: 0, reconnectInterval: 20 });
      socket.sendHighWaterMark = 0;
      socket.receiveHighWaterMark = 0;
      return socket;
    };
    this.sockets = {
      shell: dealer(),
      control: dealer(),
      stdin: dealer(),
    };
    this.queues = {
      shell: new SendQueue(this.sockets.shell),
      control: new SendQueue(this.sockets.control),
      stdin: new SendQueue(this.sockets.stdin),
    };
    this.connected = Promise.all(Object.values(this.sockets).map(handshake));
    for (const channel of ['shell', 'control', 'stdin'] as const) {
      this.sockets[channel].connect(address(connection[`${channel}_port`]));
      void this.listen(channel, this.sockets[channel]);
    }
    this.iopub.linger = 0;
    this.iopub.reconnectInterval = 20;
    this.iopub.receiveHighWaterMark = 0;
    this.iopub.connect(address(connection.iopub_port));
    this.iopub.subscribe();
    void this.listen('iopub', this.iopub);
  }

  /** Queues a message for its channel; messages of one channel keep their order. */
  send(message: Message): void {
    if (this.closed || message.channel === 'iopub') return;
    this.queues[message.channel].send(encodeMessage(message, this.signer));
  }

  /** Closes all sockets; what was not sent yet is dropped. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    for (const socket of [...Object.values(this.sockets), this.iopub]) socket.close();
  }

  private async listen(channel: Channel, socket: Dealer | Subscriber): Promise<void> {
    try {
      for await (const frames of socket) {
        const message = decodeMessage(channel, frames, this.signer);
        if (message && !this.closed) this.receive(message);
      }
    } catch (error) {
      if (!this.closed) throw error;
    }
  }
}
