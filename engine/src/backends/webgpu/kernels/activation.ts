import {
  type Activation,
  type ConvolutionActivation,
  isLeaky,
  type plainActivations,
  slopeOf,
} from '../../../network/activation.js';

/** What a kernel applies. A leaky ReLU's slope is a parameter of the kernel, so that one kernel serves all of them. */
export type ActivationKind = (typeof plainActivations)[number] | 'leaky-relu';

/** What a convolution's kernel applies: slopes of channels are at hand there. */
export type ConvolutionActivationKind = ActivationKind | 'prelu';

/** WGSL functions that expressions call. */
const helpers = {
  sigmoid: 'fn sigmoid(v: vec4f) -> vec4f { return vec4f(1) / (vec4f(1) + exp(min(-v, vec4f(80)))); }',
  hardSigmoid: 'fn hardSigmoid(v: vec4f) -> vec4f { return clamp(v / 6 + 0.5, vec4f(0), vec4f(1)); }',
  boundedTanh: 'fn boundedTanh(v: vec4f) -> vec4f { return tanh(clamp(v, vec4f(-10), vec4f(10))); }',
  tanhSoftplus: `fn tanhSoftplus(v: vec4f) -> vec4f {
  let e = exp(min(v, vec4f(20)));
  let n = e * (e + 2);
  return n / (n + 2);
}`,
  erf: `fn erf(v: vec4f) -> vec4f {
  let x = abs(v);
  let t = vec4f(1) / (vec4f(1) + 0.3275911 * x);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(v) * (1 - p * exp(-min(x * x, vec4f(80))));
}`,
} as const;

type Helper = keyof typeof helpers;

/**
 * The expression for each activation, `slope` being the function's slope. Exponents are kept where float32 does not
 * overflow, for WGSL promises no infinities. The error function is formula 7.1.26 of Abramowitz and Stegun, to 1.5e-7.
 */
const expressions: Readonly<Record<ActivationKind, { readonly code: string; readonly calls?: Helper }>> = {
  none: { code: 'v' },
  relu: { code: 'max(v, vec4f(0))' },
  relu6: { code: 'clamp(v, vec4f(0), vec4f(6))' },
  silu: { code: 'v * sigmoid(v)', calls: 'sigmoid' },
  hardswish: { code: 'v * hardSigmoid(v)', calls: 'hardSigmoid' },
  sigmoid: { code: 'sigmoid(v)', calls: 'sigmoid' },
  hardsigmoid: { code: 'hardSigmoid(v)', calls: 'hardSigmoid' },
  mish: { code: 'v * tanhSoftplus(v)', calls: 'tanhSoftplus' },
  gelu: { code: '0.5 * v * (1 + erf(v * 0.70710678))', calls: 'erf' },
  'gelu-tanh': {
    code: '0.5 * v * (1 + boundedTanh(0.79788456 * (v + 0.044715 * v * v * v)))',
    calls: 'boundedTanh',
  },
  'leaky-relu': { code: 'select(slope * v, v, v > vec4f(0))' },
};

export function activationKind(activation: Activation): ActivationKind;
export function activationKind(activation: ConvolutionActivation): ConvolutionActivationKind;
export function activationKind(activation: ConvolutionActivation): ConvolutionActivationKind {
  return isLeaky(activation) ? 'leaky-relu' : activation;
}

/** By the name of the WGSL function that applies it. */
type Functions<Applied> = Readonly<Record<string, Applied>>;

const slopeName = (name: string) => `${name}Slope`;

/** Parameters that a kernel with these functions needs. */
export function activationParameters(functions: Functions<ActivationKind>): string[] {
  return Object.keys(functions)
    .filter((name) => functions[name] === 'leaky-relu')
    .map(slopeName);
}

/** What is passed for them: the bits of each slope. */
export function activationValues(functions: Functions<ConvolutionActivation>): Record<string, number> {
  const values: Record<string, number> = {};
  for (const [name, activation] of Object.entries(functions)) {
    if (isLeaky(activation))
      values[slopeName(name)] = new Uint32Array(Float32Array.of(slopeOf(activation)).buffer)[0]!;
  }
  return values;
}

/** WGSL of the functions, each from `vec4f` to `vec4f`, and of what they call: nothing that the kernel does not use. */
export function activationCode(functions: Functions<ActivationKind>): string {
  const called = new Set(Object.values(functions).flatMap((kind) => expressions[kind].calls ?? []));
  return [
    ...[...called].map((helper) => helpers[helper]),
    ...Object.entries(functions).map(([name, kind]) => {
      const slope = kind === 'leaky-relu' ? `let slope = bitcast<f32>(p.${slopeName(name)}); ` : '';
      return `fn ${name}(v: vec4f) -> vec4f { ${slope}return ${expressions[kind].code}; }`;
    }),
  ].join('\n');
}
