import { createRequire } from 'node:module';
import type { Kernel, KernelMessage } from '@jupyterlab/services';
import { expect } from 'vitest';
import WebSocket from 'ws';

/** A Jupyter server, or a gateway, as a client reaches it. */
export interface ServerAddress {
  /** `http://host:port/base/`. */
  readonly baseUrl: string;
  readonly token?: string;
}

const services = createRequire(import.meta.url)(
  '@jupyterlab/services',
) as typeof import('@jupyterlab/services');

const authorization = (token: string | undefined): Record<string, string> =>
  token ? { Authorization: `token ${token}` } : {};

/** Runs a cell; resolves to the text of its result, or the name of its error. */
export async function execute(
  kernel: Kernel.IKernelConnection,
  code: string,
  onInput?: () => void,
): Promise<string | undefined> {
  const future = kernel.requestExecute({ code });
  let result: string | undefined;
  future.onIOPub = ({ header, content }: KernelMessage.IIOPubMessage) => {
    if (header.msg_type === 'execute_input') onInput?.();
    if (header.msg_type === 'execute_result') {
      result = String((content as KernelMessage.IExecuteResultMsg['content']).data['text/plain']);
    }
  };
  const { content } = await future.done;
  return content.status === 'error' ? content.ename : result;
}

/** Starts a kernel through the REST interface, hands it over, and forgets it afterwards. */
export async function withKernel(
  { baseUrl, token = '' }: ServerAddress,
  name: string,
  use: (kernel: Kernel.IKernelConnection) => Promise<void>,
): Promise<void> {
  const serverSettings = services.ServerConnection.makeSettings({
    baseUrl,
    wsUrl: baseUrl.replace(/^http/, 'ws'),
    token,
    // A Hub takes no token from an address.
    appendToken: false,
    WebSocket: class extends WebSocket {
      constructor(address: string, protocols?: string | string[]) {
        super(address, protocols, { headers: authorization(token) });
      }
    } as unknown as typeof globalThis.WebSocket,
  });
  const manager = new services.KernelManager({ serverSettings });
  try {
    await use(await manager.startNew({ name }));
  } finally {
    manager.dispose();
  }
}

/** What every server has to be able to do with a kernel: cells, interrupt, restart, end. */
export const checkKernel = (server: ServerAddress, name: string) =>
  withKernel(server, name, async (kernel) => {
    expect(await execute(kernel, 'const a: number = 40; a + 2')).toBe('42');
    expect(await execute(kernel, 'while (true) {}', () => void kernel.interrupt())).toBe('KeyboardInterrupt');
    expect(await execute(kernel, 'a')).toBe('40');
    await kernel.restart();
    expect(await execute(kernel, 'typeof a')).toBe("'undefined'");
    await kernel.shutdown();
    const address = `${server.baseUrl}api/kernels/${kernel.id}`;
    const { status } = await fetch(address, { headers: authorization(server.token) });
    expect(status).toBe(404);
  });
