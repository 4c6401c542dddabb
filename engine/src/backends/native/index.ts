import { FoveaError } from '../../errors.js';
import type { Network } from '../../network/network.js';
import { loadAddon } from '../addon.js';
import type { Backend, Session } from '../backend.js';
import { NativeSession } from './session.js';

/**
 * C++ kernels for the machine's own instruction set, on threads of their own: the event loop is never blocked,
 * and what a mask leaves out is not computed.
 */
export const nativeBackend: Backend = {
  name: 'native',
  checksInput: true,
  get unavailable(): string | undefined {
    const { reason, stale } = loadAddon();
    if (stale) return reason;
    return reason && `${reason}; networks run in onnxruntime instead, slower where they are sparse`;
  },
  get stale(): boolean {
    return loadAddon().stale ?? false;
  },
  async open(network: Network, { batch, height, width }): Promise<Session> {
    for (const [name, extent] of Object.entries({ batch, height, width })) {
      if (!Number.isInteger(extent) || extent < 1) {
        throw new FoveaError('bad-shape', `input ${name} ${extent}: an integer of at least 1 is accepted`);
      }
    }
    const session = new NativeSession(network, [batch, height, width, network.inputShape.channels]);
    await session.pack();
    return session;
  },
};
