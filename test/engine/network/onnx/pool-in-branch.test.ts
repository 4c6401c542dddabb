import { blocksOf, describeNetwork, type Network, type RunResult, randomMasker, run } from '@fovea/engine';
import { nativeBackend, spreadCells } from '@fovea/engine/backend';
import { importOnnx, toOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { readNetwork } from '../../../../engine/src/network/read.js';
import { storeNetwork } from '../../../../engine/src/network/stored/write.js';
import { backends } from '../../support/backends.js';
import { agrees, agreesAt, conv, densely, model, open, weights } from '../../support/onnx-graphs.js';
import { withPools } from '../../support/pooled-branches.js';
import { randomImages, relativeError, smallNetwork } from '../../support/small-network.js';

const C = 6;
const [height, width] = [21, 18];

interface Form {
  readonly branch: (g: GraphBuilder, x: string) => string;
  /** Of the branch, which the shortcut takes part in. */
  readonly stride: number;
}

const pool = (g: GraphBuilder, op: 'MaxPool' | 'AveragePool', x: string, attributes: object) =>
  g.node(op, [x], { ...attributes });
const three = { kernel_shape: [3, 3], pads: [1, 1, 1, 1] };
const relu = (g: GraphBuilder, x: string) => g.node('Relu', [x]);

const forms: Record<string, Form> = {
  'a max-pool behind its last convolution, as Xception has it': {
    branch: (g, x) =>
      pool(g, 'MaxPool', conv(g, relu(g, conv(g, relu(g, x), C, C)), C, C, 1), { ...three, strides: [2, 2] }),
    stride: 2,
  },
  'a max-pool of stride 1 between its convolutions': {
    branch: (g, x) => conv(g, pool(g, 'MaxPool', conv(g, x, C, C), three), C, C),
    stride: 1,
  },
  'a max-pool of one image row that reads beyond one side': {
    branch: (g, x) =>
      conv(g, pool(g, 'MaxPool', conv(g, x, C, C), { kernel_shape: [1, 3], pads: [0, 2, 0, 0] }), C, C, 1),
    stride: 1,
  },
  'an average pool between its convolutions, as anti-aliased ResNets have it': {
    branch: (g, x) =>
      conv(
        g,
        pool(g, 'AveragePool', relu(g, conv(g, x, C, C)), {
          kernel_shape: [2, 2],
          strides: [2, 2],
          pads: [0, 0, 1, 0],
          count_include_pad: 1,
        }),
        C,
        C,
      ),
    stride: 2,
  },
};

/** A block between a convolution and another; `mask`: of the branch's pixels, in the place of the engine's own. */
function network(
  { branch, stride }: Form,
  mask?: { readonly values: Float32Array; readonly dims: number[] },
) {
  return model(
    (g, x) => {
      const stem = conv(g, x, 3, C);
      const end = branch(g, stem);
      const seen = mask ? g.node('Mul', [end, g.floats('mask', mask.dims, mask.values)]) : end;
      const projection = g.floats('projection', [C, C, 1, 1], weights(C * C, 3));
      const shortcut = stride > 1 ? g.node('Conv', [stem, projection], { strides: [stride, stride] }) : stem;
      return conv(g, g.node('Add', [seen, shortcut]), C, 2);
    },
    17,
    mask ? [height, width] : open,
  );
}

/** What the file computes with the branch multiplied by the masks of a run, in onnxruntime's own reading. */
async function masked(form: Form, images: Parameters<typeof densely>[1], { masks }: RunResult) {
  const [mask] = masks;
  const values = Float32Array.from(spreadCells(mask!.cells, mask!, 1, mask!.height, mask!.width));
  const dims = [1, 1, mask!.height, mask!.width];
  return (await densely(await importOnnx(network(form, { values, dims }), 'masked'), images)).data;
}

it.skipIf(nativeBackend.unavailable !== undefined)(
  'largest values are added to the shortcut where channels are many',
  async () => {
    const wide = withPools(
      smallNetwork({ kind: 'single', channels: 300, strides: [1, 1], height: 8, mapWidth: 9 }),
    );
    const images = randomImages(wide, 2);
    const settings = { masker: randomMasker(0.5, 3), granularity: 2 };
    const expected = await run(wide, images, { ...settings, backend: 'reference' });
    for (const strategy of ['unfused', 'streamed']) {
      const { output } = await run(wide, images, { ...settings, strategy, backend: 'native', threads: 2 });
      expect(relativeError(output.data, expected.output.data), strategy).toBeLessThan(1e-5);
    }
  },
);

describe.each(Object.entries(forms))('a branch with %s', (name, form) => {
  const read = (): Promise<Network> => agrees(network(form), name.replaceAll(/\W/g, '-'));

  it('is a block, also when it is written and stored', async () => {
    const found = await read();
    expect(found.nodes.map(({ kind }) => kind)).toEqual(['convolution', 'block', 'convolution']);
    expect(blocksOf(found)[0]!.adaptive).toBe(true);
    await agreesAt(found, height, width);
    await agreesAt(found, 16, 10);
    const written = await importOnnx(toOnnx(found), 'written');
    expect(describeNetwork(written).nodes.map(({ block }) => block?.structure)).toEqual(
      describeNetwork(found).nodes.map(({ block }) => block?.structure),
    );
    expect(blocksOf(await readNetwork(storeNetwork(found)))).toEqual(blocksOf(found));
  });

  for (const { name: backend, missing } of backends) {
    it.skipIf(missing !== undefined)(`is computed where the mask says on backend ${backend}`, async () => {
      const found = { ...(await read()), inputShape: { channels: 3, height, width } };
      const images = randomImages(found, 1);
      for (const granularity of [1, 4, 8, Number.POSITIVE_INFINITY]) {
        for (const strategy of ['unfused', 'lasnet', 'streamed']) {
          for (const threads of backend === 'native' ? [1, 2] : [1]) {
            const settings = { backend, strategy, granularity, threads, masker: randomMasker(0.4, 5) };
            const result = await run(found, images, settings);
            const said = `S ${granularity}, ${strategy}, ${threads} threads`;
            expect(relativeError(result.output.data, await masked(form, images, result)), said).toBeLessThan(
              1e-5,
            );
          }
        }
      }
    });
  }
});
