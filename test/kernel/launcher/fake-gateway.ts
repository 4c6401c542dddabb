import { constants, createDecipheriv, generateKeyPairSync, privateDecrypt } from 'node:crypto';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';

/** The side of a gateway that a launcher speaks to, as Enterprise Gateway 3.3 and gateway_provisioners 0.5 do it. */
export class FakeGateway {
  readonly publicKey: string;
  /** What the launcher sent, decrypted. */
  readonly answered: Promise<Record<string, any>>;
  readonly #server: Server;

  private constructor(server: Server) {
    // 1024 bits, as Enterprise Gateway makes them.
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 1024 });
    this.publicKey = publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
    this.#server = server;
    this.answered = new Promise((resolve, reject) => {
      server.on('connection', (socket) => {
        const parts: Buffer[] = [];
        socket.on('data', (part) => parts.push(part));
        socket.on('end', () => {
          try {
            const payload = JSON.parse(
              Buffer.from(Buffer.concat(parts).toString('ascii'), 'base64').toString('utf8'),
            ) as { version: number; key: string; conn_info: string };
            if (payload.version !== 1) throw new Error(`version ${payload.version}`);
            const padded = privateDecrypt(
              { key: privateKey, padding: constants.RSA_NO_PADDING },
              Buffer.from(payload.key, 'base64'),
            );
            // PKCS#1 v1.5: 0, 2, random bytes without 0, 0, the message. Node does not take the padding off any more.
            if (padded[0] !== 0 || padded[1] !== 2) throw new Error('the key is not padded by PKCS#1 v1.5');
            const key = padded.subarray(padded.indexOf(0, 2) + 1);
            const cipher = createDecipheriv('aes-128-ecb', key, null);
            const text = cipher.update(payload.conn_info, 'base64', 'utf8') + cipher.final('utf8');
            resolve(JSON.parse(text));
          } catch (error) {
            reject(error);
          }
        });
      });
    });
    this.answered.catch(() => undefined);
  }

  static async start(): Promise<FakeGateway> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new FakeGateway(server);
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.close();
  }
}

/** Sends a request as a gateway does; says whether the connection was accepted. */
export function ask(port: number, text: string): Promise<'accepted' | 'refused'> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'ECONNREFUSED' ? resolve('refused') : reject(error),
    );
    socket.once('connect', () => {
      socket.end(text);
      resolve('accepted');
    });
  });
}
