import { FoveaError } from '../../errors.js';
import type { ForeignNode } from '../../network/network.js';
import {
  type InferenceSession,
  loadRuntime,
  type OrtTensor,
  openModel,
  runModel,
} from '../../onnxruntime.js';
import type { Shape, Tensor } from '../../tensor.js';
import { engineShape, toEngineTensor } from './layout.js';

/** One session for each foreign node and number of threads, kept for the lifetime of the node. */
const sessions = new WeakMap<ForeignNode, Map<number, Promise<InferenceSession>>>();

/** An input of a foreign node. */
export interface ForeignInput {
  readonly shape: Shape;
  /**
   * Its values, in memory that is not shared, which onnxruntime would not take: `[N, C, H, W]` where `byChannel`,
   * otherwise `[N, H, W, C]`.
   */
  values(byChannel: boolean): Float32Array<ArrayBuffer>;
}

export interface ForeignOptions {
  /** Compute threads, default 1. */
  readonly threads?: number;
  /** What the program expects, where it is known. */
  readonly shape?: Shape | undefined;
}

/**
 * Runs a foreign node in onnxruntime, converting from and to NHWC.
 *
 * @param inputs in the order of `node.inputs`
 * @throws FoveaError `backend-unavailable`, or `bad-shape` and `unsupported` in onnxruntime's own words
 */
export async function runForeign(
  node: ForeignNode,
  inputs: readonly Tensor[],
  options: ForeignOptions = {},
): Promise<Tensor> {
  const given = inputs.map((tensor) => ({
    shape: tensor.shape,
    values: (byChannel: boolean) => (byChannel ? tensor.toNCHW() : Float32Array.from(tensor.data)),
  }));
  return toEngineTensor(await runForeignAsIs(node, given, options), sourceOf(node));
}

/** Nodes that were found to make no batch of several images, although nothing in them says so. */
const ofOneImage = new WeakSet<ForeignNode>();

/**
 * Runs a foreign node in onnxruntime, and leaves its output as it comes. One whose file fixes the
 * batch at one image, as PyTorch's exporter does unless it is asked not to, runs image by image.
 *
 * @param inputs in the order of `node.inputs`
 * @throws FoveaError as `runForeign`
 */
export async function runForeignAsIs(
  node: ForeignNode,
  inputs: readonly ForeignInput[],
  { threads = 1, shape }: ForeignOptions = {},
): Promise<OrtTensor> {
  const source = sourceOf(node);
  const session = await sessionOf(node, threads, source);
  const feeds = await feedsOf(node, inputs, session);
  const images = inputs[0]!.shape[0];
  const isSingle = ofOneImage.has(node) || session.inputMetadata.some((input) => batchOf(input) === 1);
  const whole =
    isSingle && images > 1 ? undefined : await ranWhole(session, feeds, images, node.output, source);
  const output =
    whole instanceof FoveaError || whole === undefined
      ? await ranApart(session, feeds, images, node, whole)
      : whole;
  const made = engineShape(output, source);
  if (shape && shape.join() !== made.join()) {
    throw new FoveaError(
      'bad-shape',
      `${source} makes [${made.join(', ')}] of this input, [${shape.join(', ')}] of others of its size; operators whose ` +
        'output size does not depend on values are accepted',
    );
  }
  return output;
}

/** First extent that a session declares for an input, where it is fixed. */
function batchOf(input: InferenceSession['inputMetadata'][number]): number | undefined {
  const batch = input.isTensor ? input.shape[0] : undefined;
  return typeof batch === 'number' ? batch : undefined;
}

type Feeds = Readonly<Record<string, OrtTensor>>;

async function feedsOf(
  node: ForeignNode,
  inputs: readonly ForeignInput[],
  session: InferenceSession,
): Promise<Feeds> {
  const { Tensor: OrtTensor } = await loadRuntime();
  const feeds = node.inputs.map((name, i) => {
    const input = inputs[i];
    if (!input)
      throw new FoveaError('bad-shape', `${sourceOf(node)}: its input ${JSON.stringify(name)} is missing`);
    const [N, H, W, C] = input.shape;
    const declared = session.inputMetadata.find((metadata) => metadata.name === name);
    const isVector = declared?.isTensor === true && declared.shape.length === 2;
    const dims = isVector ? [N, H * W * C] : [N, C, H, W];
    return [name, new OrtTensor('float32', input.values(!isVector), dims)] as const;
  });
  return Object.fromEntries(feeds);
}

/** What a session makes of all images at once; why not, where it makes no batch of several. */
async function ranWhole(
  session: InferenceSession,
  feeds: Feeds,
  images: number,
  name: string,
  source: string,
): Promise<OrtTensor | FoveaError> {
  try {
    const output = (await runModel(session, { ...feeds }, source))[name]!;
    const { dims } = output;
    const made = dims[0] ?? 1;
    // Of other ranks the first extent need not be the images'.
    const isBatch = made === images || (dims.length !== 4 && (images === 1 || made !== 1));
    if (isBatch) return output;
    return new FoveaError(
      'bad-shape',
      `${source} makes ${made} image(s) of ${images}; one for each is accepted`,
    );
  } catch (error) {
    if (images > 1 && error instanceof FoveaError) return error;
    throw error;
  }
}

/** What a session makes of each image, one behind the other. */
async function ranApart(
  session: InferenceSession,
  feeds: Feeds,
  images: number,
  node: ForeignNode,
  whole: FoveaError | undefined,
): Promise<OrtTensor> {
  const source = sourceOf(node);
  const { Tensor: OrtTensor } = await loadRuntime();
  let all: OrtTensor | undefined;
  for (let n = 0; n < images; n++) {
    const own = Object.entries(feeds).map(([name, { data, dims }]) => {
      const plane = data.length / images;
      const values = (data as Float32Array).slice(n * plane, (n + 1) * plane);
      return [name, new OrtTensor('float32', values, [1, ...dims.slice(1)])] as const;
    });
    const { data, dims } = (await runModel(session, Object.fromEntries(own), source))[node.output]!;
    if (dims[0] !== 1) {
      throw whole ?? new FoveaError('bad-shape', `${source} makes ${dims[0] ?? 'no batch'} of one image`);
    }
    all ??= new OrtTensor('float32', new Float32Array(images * data.length), [images, ...dims.slice(1)]);
    (all.data as Float32Array).set(data as Float32Array, n * data.length);
  }
  ofOneImage.add(node);
  return all!;
}

function sourceOf({ name, operators }: ForeignNode): string {
  return `"${name}" (${operators.join(', ')})`;
}

function sessionOf(node: ForeignNode, threads: number, source: string): Promise<InferenceSession> {
  let byThreads = sessions.get(node);
  if (!byThreads) {
    byThreads = new Map();
    sessions.set(node, byThreads);
  }
  const found = byThreads.get(threads);
  if (found) return found;
  const opening = openModel(node.model, { threads }, source);
  byThreads.set(threads, opening);
  opening.catch(() => byThreads.delete(threads));
  return opening;
}
