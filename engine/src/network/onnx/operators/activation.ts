import { type ConvolutionActivation, leakyRelu } from '../../activation.js';
import { floatOf, type GraphNode, stringOf } from '../graph.js';
import type { Handler, Scope } from '../scope.js';
import { perChannel } from './arithmetic.js';

export const activation =
  (of: (node: GraphNode, scope: Scope) => ConvolutionActivation | undefined): Handler =>
  (node, scope) => {
    const value = scope.value(node, 0);
    const kind = of(node, scope);
    if (!value || !kind) return undefined;
    return {
      draft: { kind: 'activation', ...scope.base(node, scope.inputs(node, 0)), activation: kind },
      value,
    };
  };

const close = (a: number, b: number) => Math.abs(a - b) < 1e-6;

export const clip = activation((node, scope) => {
  const bound = (name: string, index: number, otherwise: number) => {
    if (node.attributes.has(name)) return floatOf(node, name, otherwise);
    return scope.hasInput(node, index) ? scope.floats(node, index)?.[0] : otherwise;
  };
  const least = bound('min', 1, Number.NEGATIVE_INFINITY);
  const most = bound('max', 2, Number.POSITIVE_INFINITY);
  if (least !== 0 || most === undefined) return undefined;
  if (most === 6) return 'relu6';
  return most >= 3e38 ? 'relu' : undefined;
});

/**
 * The engine's hard sigmoid has a slope of 1/6. One of another (Paddle's and ONNX's default is 0.2) is that of its
 * input, scaled and shifted, which the convolution before takes over: `clip(αx + β, 0, 1)` is
 * `clip((6αx + 6β − 3) / 6 + 1/2, 0, 1)`.
 */
export const hardSigmoid: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const [alpha, beta] = [floatOf(node, 'alpha', 0.2), floatOf(node, 'beta', 0.5)];
  if (!value || !Number.isFinite(alpha) || !Number.isFinite(beta)) return undefined;
  const inputs = scope.inputs(node, 0);
  const activation = { kind: 'activation', activation: 'hardsigmoid' } as const;
  if (close(alpha, 1 / 6) && close(beta, 0.5))
    return { draft: { ...activation, ...scope.base(node, inputs) }, value };
  const { channels } = value;
  if (channels === undefined) return undefined;
  scope.spend(2 * channels);
  const scaled = `${node.outputs[0]}/scaled`;
  return {
    first: {
      kind: 'affine',
      ...scope.base(node, inputs),
      outputs: [scaled],
      scale: new Float32Array(channels).fill(6 * alpha),
      shift: new Float32Array(channels).fill(6 * beta - 3),
    },
    draft: { ...activation, ...scope.base(node, [scaled]) },
    value,
  };
};

const leaky = activation((node, scope) => {
  const slopes = scope.floats(node, 1);
  return slopes?.every((slope) => slope === slopes[0]) ? leakyRelu(slopes[0]!) : undefined;
});

/** A PReLU whose channels all have one slope is a leaky ReLU. */
export const prelu: Handler = (node, scope) => {
  const [value, constant] = [scope.value(node, 0), scope.constant(node, 1)];
  const slopes = value && constant && perChannel(constant, value, scope);
  if (!value || !slopes?.every(Number.isFinite)) return undefined;
  return (
    leaky(node, scope) ?? {
      draft: { kind: 'activation', ...scope.base(node, scope.inputs(node, 0)), activation: 'prelu', slopes },
      value,
    }
  );
};

export const gelu = activation((node) => {
  const how = stringOf(node, 'approximate', 'none');
  return how === 'none' ? 'gelu' : how === 'tanh' ? 'gelu-tanh' : undefined;
});
