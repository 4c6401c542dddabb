import { blocksOf, describeNetwork, type Network, Random, run } from '@fovea/engine';
import { importOnnx, toOnnx } from '@fovea/engine/onnx';
import { describe, expect, it } from 'vitest';
import type { GraphBuilder } from '../../../../engine/src/network/onnx/builder.js';
import { agrees, agreesAt, densely, model, open } from '../../support/onnx-graphs.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const kinds = ({ nodes }: Network) => nodes.map(({ kind }) => kind);
const only = (network: Network, kind: string) => network.nodes.find((node) => node.kind === kind);
const foreignOnes = ({ nodes }: Network) =>
  nodes.flatMap((node) => (node.kind === 'foreign' ? node.operators : []));

/** A convolution that keeps the size of values about as it is. */
function conv(g: GraphBuilder, x: string, from: number, to: number, kernel = 3): string {
  const name = g.fresh('layer');
  const random = new Random(Number(name.split('_')[1]));
  const bound = Math.sqrt(3 / (from * kernel ** 2));
  const values = Float32Array.from(
    { length: to * from * kernel ** 2 },
    () => (2 * random.next() - 1) * bound,
  );
  const weight = g.floats(`${name}.weight`, [to, from, kernel, kernel], values);
  return g.node('Conv', [x, weight], {
    kernel_shape: [kernel, kernel],
    pads: new Array(4).fill(kernel >> 1),
  });
}

const scales = (g: GraphBuilder, ...factors: number[]) => g.factors(Float32Array.of(1, 1, ...factors));
const relu = (g: GraphBuilder, x: string, from: number, to: number, kernel = 3) =>
  g.activation(conv(g, x, from, to, kernel), 'relu');
const residual = (g: GraphBuilder, x: string, channels: number) =>
  g.activation(g.node('Add', [conv(g, relu(g, x, channels, channels), channels, channels), x]), 'relu');
const halved = (g: GraphBuilder, x: string) =>
  g.node('MaxPool', [x], { kernel_shape: [2, 2], strides: [2, 2] });
const part = (g: GraphBuilder, x: string, from: number, to: number) => g.channels(x, from, to - from);

/** An operator behind a convolution of four channels. */
const behind = (build: (g: GraphBuilder, x: string) => string, opset = 17) =>
  model((g, x) => build(g, conv(g, x, 3, 4)), opset);

describe('maps made larger', () => {
  const cases: readonly [string, Record<string, string>, readonly number[], number?][] = [
    ['nearest', { mode: 'nearest' }, [2, 2]],
    ['nearest, from the first pixel', asymmetric('floor'), [3, 2]],
    ['nearest, rounded', asymmetric('round_prefer_floor'), [2, 2]],
    ['nearest, of half pixels', { mode: 'nearest', coordinate_transformation_mode: 'half_pixel' }, [5, 4]],
    ['nearest, along one axis', asymmetric('floor'), [1, 7]],
    ['bilinear', { mode: 'linear' }, [2, 2]],
    ['bilinear, of half pixels', { mode: 'linear', coordinate_transformation_mode: 'half_pixel' }, [3, 4]],
    [
      'bilinear, as PyTorch',
      { mode: 'linear', coordinate_transformation_mode: 'pytorch_half_pixel' },
      [2, 1],
    ],
    ['bilinear, by corners', { mode: 'linear', coordinate_transformation_mode: 'align_corners' }, [2, 3]],
    [
      'bilinear, from the first pixel',
      { mode: 'linear', coordinate_transformation_mode: 'asymmetric' },
      [4, 2],
    ],
    ['as before operator set 11, nearest', { mode: 'nearest' }, [2, 3], 10],
    ['as before operator set 11, bilinear', { mode: 'linear' }, [2, 3], 10],
  ];

  function asymmetric(nearest_mode: string) {
    return { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode };
  }

  it.each(cases)('%s', async (_, attributes, factor, opset = 13) => {
    const bytes = behind((g, x) => {
      const more = opset > 10 ? ['', scales(g, ...factor)] : [scales(g, ...factor)];
      return g.node('Resize', [x, ...more], attributes);
    }, opset);
    const network = await agrees(bytes, 'larger');
    expect(kinds(network)).toEqual(['convolution', 'resize']);
    expect(only(network, 'resize')).toMatchObject({ factor });
  });

  it.each(['nearest', 'linear'])('%s by Upsample of operator sets 7 and 9', async (mode) => {
    const factor = Float32Array.of(1, 1, 2, 3);
    const attribute = behind((g, x) => g.node('Upsample', [x], { mode, scales: factor }), 7);
    expect(kinds(await importOnnx(attribute, 'upsample'))).toEqual(['convolution', 'resize']);
    const nine = await agrees(
      behind((g, x) => g.node('Upsample', [x, g.factors(factor)], { mode }), 9),
      'upsample',
    );
    const seven = await importOnnx(attribute, 'upsample');
    const images = randomImages(seven, 2);
    expect((await densely(seven, images)).data).toEqual((await densely(nine, images)).data);
  });

  it('to sizes that are a constant of a file with sides of its own, or that grow with the image', async () => {
    const fixed = behind((g, x) =>
      g.node('Resize', [x, '', '', g.integers([1, 4, 16, 24])], { mode: 'linear' }),
    );
    expect(only(await importOnnx(fixed, 'fixed'), 'resize')).toMatchObject({ factor: [2, 3] });
    const growing = model(
      (g, x) => {
        const map = conv(g, x, 3, 4);
        const shape = g.node('Shape', [map]);
        const sides = g.node('Slice', [shape, g.integers([2]), g.integers([4])]);
        const front = g.node('Slice', [shape, g.integers([0]), g.integers([2])]);
        const twice = g.node('Mul', [sides, g.integers([2])]);
        const sizes = g.node('Concat', [front, twice], { axis: 0 });
        return g.node('Resize', [map, '', '', sizes], { mode: 'nearest' });
      },
      17,
      open,
    );
    const network = await agrees(growing, 'growing');
    expect(only(network, 'resize')).toMatchObject({ factor: [2, 2] });
    await agreesAt(network, 11, 6);
  });

  it('along axes that are listed', async () => {
    const bytes = behind(
      (g, x) => g.node('Resize', [x, '', g.factors(Float32Array.of(3, 2))], { mode: 'linear', axes: [3, 2] }),
      18,
    );
    expect(only(await agrees(bytes, 'axes'), 'resize')).toMatchObject({ factor: [2, 3] });
  });

  it('is left to onnxruntime in any other form', async () => {
    const forms: readonly (readonly [Record<string, string | number>, readonly number[]])[] = [
      [{ mode: 'cubic' }, [2, 2]],
      [{ mode: 'nearest' }, [1.5, 2]],
      [{ mode: 'linear' }, [0.5, 0.5]],
      [{ mode: 'nearest', coordinate_transformation_mode: 'align_corners' }, [2, 2]],
      [{ ...asymmetric('ceil') }, [2, 2]],
      [{ ...asymmetric('round_prefer_floor') }, [3, 3]],
      [{ mode: 'linear', coordinate_transformation_mode: 'tf_half_pixel_for_nn' }, [2, 2]],
    ];
    for (const [attributes, factor] of forms) {
      const bytes = behind((g, x) => g.node('Resize', [x, '', scales(g, ...factor)], attributes), 11);
      expect(foreignOnes(await importOnnx(bytes, 'foreign')), JSON.stringify(attributes)).toEqual(['Resize']);
    }
    const open224 = (sizes: number[]) =>
      model((g, x) => g.node('Resize', [conv(g, x, 3, 4), '', '', g.integers(sizes)], {}), 17, open);
    // Twice the nominal size, and of one size for any image.
    expect(foreignOnes(await importOnnx(open224([1, 4, 448, 448]), 'one size'))).toEqual(['Resize']);
  });
});

describe('channels side by side', () => {
  it('of maps and of vectors', async () => {
    const network = await agrees(
      model((g, x) => {
        const [a, b] = [conv(g, x, 3, 5), conv(g, x, 3, 2, 1)];
        const joined = g.node('Concat', [a, x, b, a], { axis: -3 });
        const [mean, other] = [joined, a].map((map) =>
          g.node('Flatten', [g.node('GlobalAveragePool', [map])], { axis: 1 }),
        );
        const vector = g.node('Concat', [mean!, other!], { axis: 1 });
        return g.node('Gemm', [vector, g.floats('fc', [4, 20], new Float32Array(80).fill(0.1))], {
          transB: 1,
        });
      }),
      'joined',
    );
    expect(kinds(network).filter((kind) => kind === 'concat')).toHaveLength(2);
    expect(foreignOnes(network)).toEqual([]);
  });

  it('and a concat that begins with all that an earlier one joins copies that one’s map', async () => {
    const network = await agrees(
      model((g, x) => {
        const maps = [conv(g, x, 3, 4)];
        const together = () => g.node('Concat', [...maps], { axis: 1 });
        for (const channels of [4, 6, 8]) maps.push(relu(g, maps[1] ? together() : maps[0]!, channels, 2));
        // Only some of those, and in another order.
        const others = g.node('Concat', [maps[0]!, maps[2]!, maps[1]!], { axis: 1 });
        return conv(g, g.node('Concat', [together(), others], { axis: 1 }), 18, 3);
      }),
      'growing',
    );
    const [first, second, third, fourth] = network.nodes.filter(({ kind }) => kind === 'concat');
    expect(second!.inputs).toEqual([first!.output, expect.any(String)]);
    const joined = [third!, fourth!].find(
      ({ inputs }) => inputs.length === 2 && inputs[0] === second!.output,
    );
    expect(joined).toBeDefined();
    const apart = network.nodes.find(({ kind, inputs }) => kind === 'concat' && inputs.length === 3);
    expect(apart!.inputs).not.toContain(first!.output);
    expect(kinds(await importOnnx(toOnnx(network), 'again'))).toEqual(kinds(network));
  });

  it('and apart, by slices of any form and by splits', async () => {
    const network = await agrees(
      model((g, x) => {
        const map = conv(g, x, 3, 7);
        const end = 2 ** 31;
        const last = g.node('Slice', [map, g.integers([-3]), g.integers([end]), g.integers([-3])]);
        const middle = g.node('Slice', [
          ...[map, g.integers([2]), g.integers([-1]), g.integers([1]), g.integers([1])],
        ]);
        const whole = g.node('Slice', [map, g.integers([0]), g.integers([end]), g.integers([1])]);
        return conv(g, g.node('Concat', [last, middle, whole], { axis: 1 }), 14, 3);
      }),
      'slices',
    );
    expect(kinds(network)).toEqual(['convolution', 'slice', 'slice', 'concat', 'convolution']);
    expect(network.nodes.filter(({ kind }) => kind === 'slice')).toMatchObject([
      { first: 4, channels: 3 },
      { first: 2, channels: 4 },
    ]);
  });

  it.each([8, 9, 10, 11, 13, 18])('and are written as operator set %i has them', async (opset) => {
    const network = await agrees(
      model((g, x) => {
        const map = conv(g, x, 3, 6);
        const [left, right] = [part(g, map, 0, 2), part(g, map, 1, 6)];
        // What the engine has no node for keeps the file's operator set.
        const joined = conv(g, g.node('Concat', [g.node('Tanh', [left]), right], { axis: 1 }), 7, 4);
        const mode = { mode: 'linear' };
        const factors = Float32Array.of(1, 1, 2, 3);
        if (opset < 9) return g.node('Upsample', [joined], { ...mode, scales: factors });
        if (opset < 10) return g.node('Upsample', [joined, g.factors(factors)], mode);
        if (opset < 11) return g.node('Resize', [joined, g.factors(factors)], mode);
        return g.node('Resize', [joined, g.factors(new Float32Array(0)), g.factors(factors)], mode);
      }, opset),
      'opset',
    );
    expect(kinds(network).filter((kind) => kind !== 'convolution')).toEqual([
      ...['slice', 'slice', 'foreign', 'concat', 'resize'],
    ]);
  });

  it('is left to onnxruntime along other axes, backwards, and where sizes differ', async () => {
    const forms: readonly [string, (g: GraphBuilder, x: string) => string][] = [
      ['Concat', (g, x) => g.node('Concat', [x, x], { axis: 2 })],
      ['Slice', (g, x) => g.node('Slice', [x, ...[[0], [4], [3]].map((list) => g.integers(list))])],
      ['Slice', (g, x) => g.node('Slice', [x, ...[[3], [0], [1], [-1]].map((list) => g.integers(list))])],
      ['Slice', (g, x) => g.node('Slice', [x, ...[[0], [4], [1], [2]].map((list) => g.integers(list))])],
    ];
    for (const [operator, build] of forms)
      expect(foreignOnes(await importOnnx(behind(build), 'foreign'))).toEqual([operator]);
  });
});

/** A U-Net of two levels: what is skipped over lies beside what comes up again. */
const unet = (interpolation: string) => (g: GraphBuilder, x: string) => {
  const up = (map: string) =>
    interpolation === 'nearest'
      ? g.node('Resize', [map, '', scales(g, 2, 2)], {
          ...{ mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
        })
      : g.node('Resize', [map, '', scales(g, 2, 2)], {
          ...{ mode: 'linear', coordinate_transformation_mode: interpolation },
        });
  const first = residual(g, relu(g, x, 3, 6), 6);
  const second = residual(g, relu(g, halved(g, first), 6, 9), 9);
  const bottom = residual(g, relu(g, halved(g, second), 9, 12), 12);
  const middle = residual(g, relu(g, g.node('Concat', [up(bottom), second], { axis: 1 }), 21, 9, 1), 9);
  const top = residual(g, relu(g, g.node('Concat', [up(middle), first], { axis: 1 }), 15, 6, 1), 6);
  return conv(g, top, 6, 2, 1);
};

/** A neck as YOLO has it: C2f blocks, whose halves go on side by side, before and behind a map made larger. */
const neck = (g: GraphBuilder, x: string) => {
  const c2f = (map: string, from: number, to: number) => {
    const both = g.activation(conv(g, map, from, to, 1), 'silu');
    const half = to / 2;
    const right = part(g, both, half, to);
    const on = residual(g, right, half);
    return relu(g, g.node('Concat', [part(g, both, 0, half), right, on], { axis: 1 }), 3 * half, to, 1);
  };
  const fine = c2f(halved(g, relu(g, x, 3, 8)), 8, 10);
  const coarse = c2f(halved(g, fine), 10, 14);
  const up = g.node('Resize', [coarse, '', scales(g, 2, 2)], { mode: 'nearest' });
  return conv(g, c2f(g.node('Concat', [up, fine], { axis: 1 }), 24, 8), 8, 5, 1);
};

const networks: readonly [string, (g: GraphBuilder, x: string) => string][] = [
  ['a U-Net, nearest', unet('nearest')],
  ['a U-Net, bilinear by half pixels', unet('half_pixel')],
  ['a U-Net, bilinear by corners', unet('align_corners')],
  ['a neck with C2f blocks', neck],
];

describe.each(networks)('%s', (_, build) => {
  it('has nothing foreign, blocks that follow masks, and the same output at any size', async () => {
    const network = await agrees(model(build, 17, open), 'whole');
    expect(foreignOnes(network)).toEqual([]);
    expect(blocksOf(network).length).toBeGreaterThanOrEqual(3);
    expect(blocksOf(network).every(({ adaptive }) => adaptive)).toBe(true);
    await agreesAt(network, 12, 20);
    await agreesAt(network, 36, 4);
    const { nodes } = describeNetwork(network, { height: 16, width: 24 });
    expect(nodes.every(({ shape }) => shape !== undefined)).toBe(true);
  });

  it('comes back of a file that Fovea writes', async () => {
    const network = await importOnnx(model(build), 'first');
    const again = await importOnnx(toOnnx(network), 'again');
    expect(kinds(again)).toEqual(kinds(network));
    const images = randomImages(network, 3);
    const options = { backend: 'reference', masker: 'random', rate: 0.5, seed: 4 } as const;
    const before = await run(network, images, options);
    const after = await run(again, images, options);
    expect(relativeError(after.output.data, before.output.data)).toBeLessThan(1e-5);
  });

  it('refuses a size whose maps do not meet', async () => {
    const network = await importOnnx(model(build, 17, open), 'sizes');
    expect(() => describeNetwork(network, { height: 18, width: 16 })).toThrow(
      /joins maps of .* choose an input whose sides halve evenly/,
    );
  });
});
