import { beforeEach, expect, it, vi } from 'vitest';
import type { GpuReply, GpuRequest } from '../../../../extension/src/live/gpu/messages';

/** How many sessions hold memory of the GPU. */
const open = vi.hoisted(() => ({ sessions: 0 }));
vi.mock('@fovea/engine/web', () => {
  const wait = () => new Promise((resolve) => setTimeout(resolve, 20));
  return {
    Tensor: class {},
    readNetwork: async () => ({}),
    resolveMaskers: () => [],
    webgpuBackend: {
      async open() {
        await wait();
        open.sessions += 1;
        return {
          async run(_input: unknown, { signal }: { readonly signal: AbortSignal }) {
            await wait();
            if (signal.aborted) throw new Error('the run was aborted');
            return { masks: [], output: { data: Float32Array.of(1) } };
          },
          dispose() {
            open.sessions -= 1;
          },
        };
      },
    },
  };
});

const replies: GpuReply[] = [];
const scope = globalThis as unknown as {
  onmessage(event: { data: GpuRequest }): void;
  postMessage(reply: GpuReply): void;
};
const post = (data: GpuRequest) => scope.onmessage({ data });
const job = { key: 'one', shape: [1, 8, 8, 3], masks: { masker: 'random', rate: 0.5 }, timed: false };
const run = (id: number) => post({ type: 'run', id, job } as unknown as GpuRequest);

beforeEach(async () => {
  scope.postMessage = (reply) => replies.push(reply);
  await import('../../../../extension/src/live/gpu/worker');
  post({ type: 'network', key: 'one', name: 'one', bytes: new Uint8Array() });
});

it('the GPU’s worker opens one session for runs that follow each other while it is opened', async () => {
  run(1);
  run(2);
  await expect
    .poll(() => replies.map(({ id, type }) => [id, type]))
    .toEqual([
      [1, 'failed'],
      [2, 'done'],
    ]);
  expect(open.sessions).toBe(1);
});
