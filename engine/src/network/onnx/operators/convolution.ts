import { intOf, intsOf } from '../graph.js';
import { nodeLabel } from '../node-labels.js';
import type { Handler } from '../scope.js';
import { dimsOf, isFloatType } from '../tensor.js';
import { extents, paddingOf, pair } from './window.js';

export const convolution: Handler = (node, scope) => {
  const weightTensor = scope.constant(node, 1);
  const dims = weightTensor && dimsOf(weightTensor);
  if (!dims || !isFloatType(weightTensor.dataType) || dims.length !== 4 || scope.constant(node, 0))
    return undefined;
  if (dims.some((extent) => extent < 1)) scope.fail(node, `has a weight of shape [${dims.join(', ')}]`);
  const [outChannels, perGroup, height, width] = dims as [number, number, number, number];
  const groups = intOf(node, 'group', 1);
  if (!(groups >= 1 && outChannels % groups === 0)) {
    scope.fail(node, `has ${groups} groups for ${outChannels} output channels; a divisor is accepted`);
  }
  const channels = perGroup * groups;
  const input = scope.value(node, 0);
  if (input?.channels !== undefined && input.channels !== channels) {
    scope.fail(node, `reads ${channels} channels, ${JSON.stringify(node.inputs[0])} has ${input.channels}`);
  }
  if (input?.rank === 2) scope.fail(node, `reads a map, ${JSON.stringify(node.inputs[0])} is a vector`);
  const given = intsOf(node, 'kernel_shape');
  if (given && given.join() !== `${height},${width}`) {
    scope.fail(node, `has kernel_shape [${given.join(', ')}] and a weight of shape [${dims.join(', ')}]`);
  }
  const stride = extents(node, scope, 'strides', 2, 1, 1);
  const dilation = extents(node, scope, 'dilations', 2, 1, 1);
  if ((intsOf(node, 'pads') ?? []).some((pad) => pad < 0)) return undefined;
  const around = paddingOf(node, scope, [height, width], stride, dilation);
  const bias = scope.hasInput(node, 2) ? scope.floats(node, 2) : new Float32Array(outChannels);
  if (!bias) return undefined;
  if (bias.length !== outChannels)
    scope.fail(node, `has ${bias.length} biases for ${outChannels} output channels`);
  const weightName = scope.resolve(node.inputs[1]!);
  return {
    draft: {
      kind: 'convolution',
      ...scope.base(node, scope.inputs(node, 0), weightName),
      convolution: {
        name: nodeLabel(node, weightName),
        inChannels: channels,
        outChannels,
        kernel: [height, width],
        stride: pair(stride),
        ...around,
        dilation: pair(dilation),
        groups,
        weight: scope.weights(weightTensor),
        bias,
        activation: 'none',
      },
    },
    value: {
      rank: 4,
      channels: outChannels,
      pooled: (input?.pooled ?? false) && height * width === 1 && around.padding.every((pad) => pad === 0),
    },
  };
};
