import { expectOptions } from '../../arguments/expect.js';
import { later } from '../../arguments/kinds.js';
import { FoveaError } from '../../errors.js';
import type { Network } from '../../network/network.js';
import { paddedFor } from '../../network/padded.js';
import { loadAddon } from '../addon.js';
import type { Backend, Session } from '../backend.js';
import { type NativeOptions, NativeSession } from './session.js';

export type { NativeOptions };

/**
 * C++ kernels for the machine's own instruction set, on threads of their own: the event loop is never blocked,
 * and what a mask leaves out is not computed.
 */
export const nativeBackend: Backend = nativeBackendWith({});

/**
 * The native backend with options of its sessions: to be given to `run` as `backend`.
 * @returns a backend whose `open` throws FoveaError `bad-argument` for options out of range
 */
export function nativeBackendWith(options: NativeOptions): Backend {
  expectOptions(options, { bandPixels: later }, 'nativeBackendWith');
  return {
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
      const shape = [batch, height, width, network.inputShape.channels] as const;
      const session = new NativeSession(paddedFor(network, { height, width }), shape, options);
      await session.pack();
      return session;
    },
  };
}
