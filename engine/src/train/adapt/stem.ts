import type { ImageSize } from '../../image/scale.js';
import { nodeFlops } from '../../network/flops.js';
import type { Network, NetworkNode } from '../../network/network.js';
import { networkShapes } from '../../network/walk.js';
import { run } from '../../run/run.js';
import { Tensor } from '../../tensor.js';
import type { BatchSource } from './batches.js';
import { savesWork } from './learned-values.js';

/**
 * What a network does before its first block whose mask saves work, where pieces of it run in onnxruntime: what puts a
 * transformer's tokens in a row. No gradient has to go through it, so it is computed like images are read.
 */
export interface Stem {
  /** The nodes up to the last such piece, whose output the rest reads. */
  readonly network: Network;
  /** The rest, as a network of that value. */
  readonly rest: Network;
  /** FLOPs of one image in the stem; what runs in onnxruntime is not counted. */
  readonly flops: number;
}

/**
 * The stem of a network.
 * @param size of the images
 * @returns undefined where none is needed, or where the rest reads more than one of its values
 */
export function stemOf(network: Network, { height, width }: ImageSize): Stem | undefined {
  const { nodes } = network;
  const first = nodes.findIndex((node) => node.kind === 'block' && savesWork(node.block));
  const before = nodes.slice(0, Math.max(first, 0));
  const count = before.findLastIndex(({ kind }) => kind === 'foreign') + 1;
  const own = nodes.slice(0, count);
  const [output, ...others] = valuesRead(nodes.slice(count), [
    network.input,
    ...own.map((node) => node.output),
  ]);
  const { values } = networkShapes(network, { batch: 1, height, width });
  const shape = output === undefined ? undefined : values.get(output);
  if (count === 0 || !shape || others.length > 0 || own.some(({ kind }) => kind === 'block'))
    return undefined;
  const [, rows, columns, channels] = shape;
  return {
    network: { ...network, nodes: own, output: output!, outputRank: 4 },
    rest: {
      ...network,
      nodes: nodes.slice(count),
      input: output!,
      inputShape: { channels, height: rows, width: columns },
    },
    flops: own.reduce((sum, node) => sum + nodeFlops(node, values), 0),
  };
}

/** Which of some values nodes read. */
function valuesRead(by: readonly NetworkNode[], values: readonly string[]): readonly string[] {
  const read = new Set(by.flatMap(({ inputs }) => inputs));
  return values.filter((name) => read.has(name));
}

/** What a stem makes of images. */
export async function runStem({ network }: Stem, images: Tensor, threads: number): Promise<Tensor> {
  return (await run(network, images, { strategy: 'dense', threads })).output;
}

/**
 * Images as a stem leaves them.
 * @param size of the images that go in
 */
export function behindStem(
  source: BatchSource,
  stem: Stem,
  { height, width }: ImageSize,
  threads: number,
): BatchSource {
  const { channels } = stem.network.inputShape;
  return {
    count: source.count,
    async fill(step, batch, images) {
      const own = Tensor.zeros([batch, height, width, channels]);
      await source.fill(step, batch, own.data);
      images.set((await runStem(stem, own, threads)).data);
    },
    async sample(most) {
      return runStem(stem, await source.sample(most), threads);
    },
  };
}
