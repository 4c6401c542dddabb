import {
  adaptivePool,
  type Convolution,
  type Masker,
  maskGrid,
  type Network,
  networkShapes,
  type Tensor,
} from '@fovea/engine';

/**
 * What the training code computes: every convolution dense, the branch multiplied by the upsampled mask.
 * Written apart from the engine, over plain NCHW arrays, so that an error would have to be made twice.
 */
export function denseThenMask(network: Network, images: Tensor, masker: Masker, granularity: number) {
  const [batch, height, width] = images.shape;
  const shapes = networkShapes(network, { batch, height, width });
  const values = new Map<string, Planes>([
    [
      network.input,
      { N: batch, C: images.shape[3], H: height, W: width, data: Float64Array.from(images.toNCHW()) },
    ],
  ]);
  const cells: Uint8Array[] = [];
  for (const node of network.nodes) {
    const input = values.get(node.inputs[0]!)!;
    if (node.kind === 'convolution') values.set(node.output, convolution(input, node.convolution));
    else if (node.kind === 'global-pool') {
      const plane = input.H * input.W;
      const data = Float64Array.from(
        { length: input.N * input.C },
        (_, i) => input.data.subarray(i * plane, (i + 1) * plane).reduce((a, b) => a + b, 0) / plane,
      );
      values.set(node.output, { ...input, H: 1, W: 1, data });
    } else if (node.kind === 'block') {
      const { block } = node;
      const shape = shapes.blocks[block.index]!;
      let branch = input;
      block.branch.forEach((layer, i) => {
        branch = convolution(branch, layer);
        if (block.squeezeExcitation?.after === i) branch = excite(branch, block.squeezeExcitation);
      });
      const shortcut = block.projection ? convolution(input, block.projection) : input;
      let active: (n: number, y: number, x: number) => boolean = () => true;
      if (block.adaptive) {
        const { rows, columns } = maskGrid(branch.H, branch.W, granularity);
        const decision = masker.decide({
          block,
          shape,
          granularity,
          batch,
          rows,
          columns,
          pooled: masker.needsPool
            ? adaptivePool(toTensor(images, input), { rows, columns })
            : new Float32Array(0),
        });
        if (decision instanceof Promise) throw new Error('the oracle takes maskers that answer at once');
        cells.push(decision.cells);
        active = (n, y, x) =>
          decision.cells[
            (n * rows + Math.floor((y * rows) / branch.H)) * columns + Math.floor((x * columns) / branch.W)
          ] === 1;
      }
      const data = new Float64Array(branch.data.length);
      let i = 0;
      for (let n = 0; n < branch.N; n++)
        for (let c = 0; c < branch.C; c++)
          for (let y = 0; y < branch.H; y++)
            for (let x = 0; x < branch.W; x++, i++) {
              const sum =
                (active(n, y, x) ? branch.data[i]! : 0) +
                (block.adaptive || block.projection ? shortcut.data[i]! : 0);
              data[i] = block.activation === 'relu' ? Math.max(0, sum) : sum;
            }
      values.set(node.output, { ...branch, data });
    } else throw new Error(`the oracle has no ${node.kind}`);
  }
  return { logits: Float32Array.from(values.get(network.output)!.data), cells };
}

interface Planes {
  readonly N: number;
  readonly C: number;
  readonly H: number;
  readonly W: number;
  readonly data: Float64Array;
}

function convolution(
  input: Planes,
  { kernel, stride, padding, groups, outChannels, weight, bias, activation }: Convolution,
): Planes {
  const { N, C, H, W } = input;
  const outH = Math.floor((H + padding[0] + padding[2] - kernel[0]) / stride[0]) + 1;
  const outW = Math.floor((W + padding[1] + padding[3] - kernel[1]) / stride[1]) + 1;
  const perGroup = C / groups;
  const data = new Float64Array(N * outChannels * outH * outW);
  let at = 0;
  for (let n = 0; n < N; n++)
    for (let k = 0; k < outChannels; k++)
      for (let y = 0; y < outH; y++)
        for (let x = 0; x < outW; x++) {
          let sum = bias[k]!;
          const group = Math.floor((k * groups) / outChannels);
          for (let c = 0; c < perGroup; c++)
            for (let ky = 0; ky < kernel[0]; ky++)
              for (let kx = 0; kx < kernel[1]; kx++) {
                const sy = y * stride[0] + ky - padding[0];
                const sx = x * stride[1] + kx - padding[1];
                if (sy < 0 || sx < 0 || sy >= H || sx >= W) continue;
                const value = input.data[((n * C + group * perGroup + c) * H + sy) * W + sx]!;
                sum += value * weight[((k * perGroup + c) * kernel[0] + ky) * kernel[1] + kx]!;
              }
          data[at++] =
            activation === 'relu'
              ? Math.max(0, sum)
              : activation === 'sigmoid'
                ? 1 / (1 + Math.exp(-sum))
                : sum;
        }
  return { N, C: outChannels, H: outH, W: outW, data };
}

function excite(input: Planes, { reduce, expand }: { reduce: Convolution; expand: Convolution }): Planes {
  const plane = input.H * input.W;
  const means = Float64Array.from(
    { length: input.N * input.C },
    (_, i) => input.data.subarray(i * plane, (i + 1) * plane).reduce((a, b) => a + b, 0) / plane,
  );
  const scale = convolution(convolution({ ...input, H: 1, W: 1, data: means }, reduce), expand);
  return { ...input, data: input.data.map((value, i) => value * scale.data[Math.floor(i / plane)]!) };
}

function toTensor(like: Tensor, { N, C, H, W, data }: Planes): Tensor {
  return (like.constructor as typeof Tensor).fromNCHW([N, C, H, W], data);
}
