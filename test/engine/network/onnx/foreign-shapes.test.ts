import { run, Tensor } from '@fovea/engine';
import { importOnnx, openDense } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { backends } from '../../support/backends.js';
import { agrees, agreesAt, conv, densely, model, open } from '../../support/onnx-graphs.js';
import { randomImages } from '../../support/small-network.js';

/** An integer scalar. */
const number = (g: GraphBuilder, value: number) => g.integers([value], []);

/** Between two convolutions, a reshape to extents that `dims` computes from the first one's output. */
const reshaped = (dims: (g: GraphBuilder, map: string) => string) =>
  model(
    (g, x) => {
      const map = conv(g, x, 3, 4);
      return conv(g, g.node('Reshape', [map, dims(g, map)]), 4, 2);
    },
    17,
    open,
  );

describe('the shape of a foreign piece', () => {
  it('is found by running the piece where no rule tells it', async () => {
    const network = await agrees(
      reshaped((g, map) => {
        // Extents behind a list that is too long to be computed when shapes are inferred.
        const list = g.node('Range', [number(g, 0), number(g, 100), number(g, 1)]);
        const zero = g.node('Mul', [g.node('ReduceSum', [list], { keepdims: 0 }), number(g, 0)]);
        return g.node('Add', [g.node('Shape', [map]), zero]);
      }),
      'long-list',
    );
    expect(network.nodes.map(({ kind }) => kind)).toEqual(['convolution', 'foreign', 'convolution']);
    await agreesAt(network, 5, 9);
  });

  it('is not guessed where the values decide it', async () => {
    const network = await importOnnx(
      model((g, x) => {
        const map = conv(g, x, 3, 4);
        const positive = g.node('Cast', [g.node('Greater', [map, g.scalar(0)])], { to: 7 });
        const ends = g.node('Clip', [
          g.node('ReduceSum', [positive, g.integers([0, 1, 2, 3])], { keepdims: 0 }),
          number(g, 1),
          number(g, 6),
        ]);
        const cut = g.node('Slice', [
          map,
          g.integers([0]),
          g.node('Unsqueeze', [ends, g.integers([0])]),
          g.integers([2]),
        ]);
        return conv(g, cut, 4, 2);
      }),
      'values',
    );
    await expect(densely(network, randomImages(network))).rejects.toMatchObject({
      code: 'bad-shape',
      message: expect.stringContaining('is not known before it runs'),
    });
  });

  it('say, at another size than the one that a file has fixed, which it may fit alone', async () => {
    const network = await agrees(
      model((g, x) => {
        const map = conv(g, x, 3, 4);
        const shuffled = g.node('Reshape', [map, g.integers([-1, 2, 2, 8, 8])]);
        const turned = g.node('Transpose', [shuffled], { perm: [0, 2, 1, 3, 4] });
        return conv(g, g.node('Reshape', [turned, g.integers([-1, 4, 8, 8])]), 4, 2);
      }),
      'fixed-size',
    );
    const inputShape = { ...network.inputShape, height: 12, width: 10 };
    const hint = 'may fit 8 x 8 alone: export it for 12 x 10, or with dynamic axes';
    await expect(densely(network, randomImages({ ...network, inputShape }))).rejects.toThrow(hint);
    await expect(openDense(network, { batch: 1, height: 12, width: 10 })).rejects.toThrow(hint);
  });

  // Every value that is tried at import leads to one shape, and a bright image to another.
  const bright = () =>
    model((g, x) => {
      const ends = g.node('Add', [
        g.node('Cast', [g.node('Greater', [g.node('ReduceMax', [x], { keepdims: 0 }), g.scalar(10)])], {
          to: 7,
        }),
        g.integers([5]),
      ]);
      const cut = g.node('Slice', [x, g.integers([0]), ends, g.integers([2])]);
      return conv(g, cut, 3, 2);
    });

  for (const { name, missing } of backends) {
    it.skipIf(missing !== undefined)(
      `that is another one than was planned for is refused by ${name}${missing ? ` (skipped: ${missing})` : ''}`,
      async () => {
        const network = await importOnnx(bright(), 'bright');
        const images = randomImages(network);
        const expected = await densely(network, images);
        const { output } = await run(network, images, { backend: name, strategy: 'dense' });
        expect(output.shape).toEqual(expected.shape);
        const brighter = new Tensor(
          images.shape,
          images.data.map((value) => 100 * value),
        );
        await expect(run(network, brighter, { backend: name, strategy: 'dense' })).rejects.toMatchObject({
          code: 'bad-shape',
          message: expect.stringMatching(/makes \[1, 6, 8, 3\].*\[1, 5, 8, 3\]/),
        });
      },
    );
  }
});

describe('a list of the file that is made as long as the image says', () => {
  it('is in a piece of its own', async () => {
    const bytes = model((g, x) => {
      const most = g.node('Reshape', [g.most(x, [0, 1, 2, 3]), g.integers([1])]);
      const times = g.node('Cast', [most], { to: 7 });
      const sizes = g.node('Concat', [times, g.integers([100])], { axis: 0 });
      const list = g.integers([...Array(100).keys()], [1, 100]);
      const longer = g.node('Cast', [g.node('Expand', [list, sizes])], { to: 1 });
      return conv(g, g.node('Reshape', [longer, g.node('Cast', [most], { to: 7 })]), 3, 2);
    });
    const { nodes } = await importOnnx(bytes, 'longer');
    expect(nodes.map(({ kind }) => kind)).toContain('foreign');
  });
});
