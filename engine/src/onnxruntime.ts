import { load } from '#onnxruntime';
import { FoveaError } from './errors.js';

type Runtime = typeof import('onnxruntime-node');
export type InferenceSession = import('onnxruntime-node').InferenceSession;
export type OrtTensor = import('onnxruntime-node').Tensor;

let loading: Promise<Runtime> | undefined;

/** Installs onnxruntime without the CUDA libraries that its install script would fetch. */
export const installCommand = 'ONNXRUNTIME_NODE_INSTALL=skip npm install onnxruntime-node';

/**
 * onnxruntime, loaded when first needed: it is large, and not everybody installs it.
 * @throws FoveaError `backend-unavailable` with the loader's own reason
 */
export function loadRuntime(): Promise<Runtime> {
  loading ??= load().catch((cause: unknown) => {
    throw new FoveaError('backend-unavailable', unavailableBecause(cause), { cause });
  });
  return loading;
}

function unavailableBecause(cause: unknown): string {
  const reason = (cause instanceof Error ? cause.message : String(cause)).split('\n')[0];
  return (
    `onnxruntime-node cannot be loaded (${reason}); install it with "${installCommand}", ` +
    'or use the native backend'
  );
}

/** What onnxruntime computes with; `webgpu` is its own, without the npm package. */
export type ExecutionProvider = 'cpu' | 'webgpu';

export interface SessionSettings {
  /** Compute threads, at least 1. */
  readonly threads: number;
  /** False to take the model as it stands: sooner open, slower to run. Default true. */
  readonly optimize?: boolean;
  /** Default `cpu`. */
  readonly provider?: ExecutionProvider;
}

/**
 * Opens a model. Idle threads sleep instead of spinning: several sessions live beside each other, and a
 * spinning pool takes cores from other work.
 *
 * @param source what the model is, for messages
 * @throws FoveaError `backend-unavailable`, or `unsupported` with onnxruntime's own words when it refuses
 *   the model
 */
export async function openModel(
  model: Uint8Array | string,
  { threads, optimize = true, provider = 'cpu' }: SessionSettings,
  source: string,
): Promise<InferenceSession> {
  const { InferenceSession } = await loadRuntime();
  const create = (graphOptimizationLevel: 'all' | 'disabled') => {
    const options = { ...shared, graphOptimizationLevel };
    return typeof model === 'string'
      ? InferenceSession.create(model, options)
      : InferenceSession.create(model, options);
  };
  const shared = {
    executionProviders: [provider],
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    // Only fatal errors: the others arrive as exceptions, and would land on the terminal a second time.
    logSeverityLevel: 4,
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  } as const;
  try {
    return await create(optimize ? 'all' : 'disabled');
  } catch (cause) {
    // Its optimiser fails at some sound models (1.23: reshapes behind each other whose extents are computed).
    const asItStands = optimize ? await create('disabled').catch(() => undefined) : undefined;
    if (asItStands) return asItStands;
    throw new FoveaError('unsupported', `${source}: onnxruntime refuses it: ${firstLine(cause)}`, { cause });
  }
}

/**
 * Runs a session once. It computes on this thread and blocks the event loop.
 * @throws FoveaError `bad-shape` with onnxruntime's own words
 */
export async function runModel(
  session: InferenceSession,
  feeds: Record<string, OrtTensor>,
  source: string,
): Promise<Record<string, OrtTensor>> {
  try {
    return (await session.run(feeds)) as Record<string, OrtTensor>;
  } catch (cause) {
    throw new FoveaError('bad-shape', `${source}: onnxruntime cannot run it: ${firstLine(cause)}`, { cause });
  }
}

function firstLine(cause: unknown): string {
  return (cause instanceof Error ? cause.message : String(cause)).split('\n')[0]!.slice(0, 300);
}
