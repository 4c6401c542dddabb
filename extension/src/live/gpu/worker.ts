/**
 * Computes on this browser's GPU, off the page's main thread. The engine comes with this file, and this file is loaded
 * only when it is first needed.
 */
import {
  type Mask,
  makePlan,
  measureInTurns,
  type Network,
  readNetwork,
  regionMasker,
  resolveMaskers,
  type Session,
  Tensor,
  webgpuBackend,
} from '@fovea/engine/web';
import type { GpuAnswer, GpuJob, GpuMask, GpuReply, GpuRequest } from './messages';

/** What is used of a worker's global object; the page's types do not have it. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<GpuRequest>) => void) | null;
  postMessage(reply: GpuReply): void;
}

const scope = globalThis as unknown as WorkerScope;

/** The network that was sent last, and its weights on the GPU. */
let held: { readonly key: string; readonly network: Promise<Network> } | undefined;
let opened: { readonly key: string; readonly session: Session } | undefined;
let running = new AbortController();
/** The last run: the next one takes over its session, or ends it. */
let last: Promise<void> = Promise.resolve();

scope.onmessage = ({ data }) => {
  switch (data.type) {
    case 'network':
      held = { key: data.key, network: readNetwork(data.bytes, { name: data.name }) };
      // Said by the run that needs it.
      held.network.catch(() => undefined);
      break;
    case 'run':
      begin(data.id, data.job);
      break;
    case 'cancel':
      running.abort();
      break;
  }
};

/** Runs a job when the one before, which is given up, has ended. */
function begin(id: number, job: GpuJob): void {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  last = last.then(() => answer(id, job, signal));
}

async function answer(id: number, job: GpuJob, signal: AbortSignal): Promise<void> {
  try {
    signal.throwIfAborted();
    scope.postMessage({ type: 'done', id, answer: await compute(job, signal) });
  } catch (error) {
    scope.postMessage({ type: 'failed', id, message: (error as Error).message });
  }
}

async function compute(job: GpuJob, signal: AbortSignal): Promise<GpuAnswer> {
  if (held?.key !== job.key) throw new Error('the network has not been sent');
  const network = await held.network;
  const [batch = 1, height = 1, width = 1, channels = 1] = job.shape;
  const input = new Tensor([batch, height, width, channels], job.input);
  const session = await sessionFor(job, network);
  const maskers = maskersOf(network, job.masks);
  const options = { plan: job.plan, maskers, threads: 1, signal };
  const { output, masks } = await session.run(input, options);
  const answer = { masks: masks.map(written), output: output.data };
  if (!job.timed) return answer;
  const dense = { ...options, plan: makePlan(network, { strategy: 'dense', batch, height, width }) };
  await session.run(input, dense);
  const times = await measureInTurns({
    adaptive: async () => (await session.run(input, options)).profile,
    dense: async () => (await session.run(input, dense)).profile,
  });
  return { ...answer, times: { totalMs: times.adaptive.totalMs, denseMs: times.dense.totalMs } };
}

/** The session of a network and an input's shape; the one before gives its memory back. */
async function sessionFor({ key, shape }: GpuJob, network: Network): Promise<Session> {
  const sessionKey = `${key} ${shape.join('x')}`;
  if (opened?.key === sessionKey) return opened.session;
  opened?.session.dispose();
  opened = undefined;
  const [batch = 1, height = 1, width = 1] = shape;
  const session = await webgpuBackend.open(network, { batch, height, width });
  opened = { key: sessionKey, session };
  return session;
}

function maskersOf(network: Network, { masker, rate, region }: GpuJob['masks']) {
  if (masker === 'learned') return resolveMaskers(network, { masker });
  if (masker !== 'painted') return resolveMaskers(network, { masker, rate });
  const { rows, columns, cells } = region!;
  return resolveMaskers(network, {
    masker: regionMasker({ rows, columns, cells: Uint8Array.from(cells, Number) }),
  });
}

function written({ block, rows, columns, cells }: Mask): GpuMask {
  return { block, rows, columns, cells: Array.from(cells, (cell) => (cell ? '1' : '0')).join('') };
}
