import { type Activation, isLeaky, plainActivations, slopeOf } from '../../../network/activation.js';

/**
 * An activation's number in `activated`: its place in the list, or the bits of a leaky ReLU's negated slope, which no
 * place reaches.
 */
export function activationNumber(activation: Activation): number {
  if (!isLeaky(activation)) return plainActivations.indexOf(activation);
  return new Uint32Array(Float32Array.of(-slopeOf(activation)).buffer)[0]!;
}

/** The expression for each activation but `none`. */
const expressions: Readonly<Record<Exclude<(typeof plainActivations)[number], 'none'>, string>> = {
  relu: 'max(v, vec4f(0))',
  relu6: 'clamp(v, vec4f(0), vec4f(6))',
  silu: 'v * sigmoid(v)',
  hardswish: 'v * hardSigmoid(v)',
  sigmoid: 'sigmoid(v)',
  hardsigmoid: 'hardSigmoid(v)',
  mish: 'v * tanhSoftplus(v)',
  gelu: '0.5 * v * (1 + erf(v * 0.70710678))',
  'gelu-tanh': '0.5 * v * (1 + boundedTanh(0.79788456 * (v + 0.044715 * v * v * v)))',
};

const cases = plainActivations
  .flatMap((name, number) =>
    name === 'none' ? [] : [`    case ${number}u: { return ${expressions[name]}; }`],
  )
  .join('\n');

/**
 * `activated(value, number)`; exponents are kept where float32 does not overflow, for WGSL promises no infinities. The
 * error function is formula 7.1.26 of Abramowitz and Stegun, to 1.5e-7.
 */
export const activationCode = `
fn sigmoid(v: vec4f) -> vec4f { return vec4f(1) / (vec4f(1) + exp(min(-v, vec4f(80)))); }
fn hardSigmoid(v: vec4f) -> vec4f { return clamp(v / 6 + 0.5, vec4f(0), vec4f(1)); }
fn boundedTanh(v: vec4f) -> vec4f { return tanh(clamp(v, vec4f(-10), vec4f(10))); }
fn tanhSoftplus(v: vec4f) -> vec4f {
  let e = exp(min(v, vec4f(20)));
  let n = e * (e + 2);
  return n / (n + 2);
}
fn erf(v: vec4f) -> vec4f {
  let x = abs(v);
  let t = vec4f(1) / (vec4f(1) + 0.3275911 * x);
  let p = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  return sign(v) * (1 - p * exp(-min(x * x, vec4f(80))));
}
fn activated(v: vec4f, number: u32) -> vec4f {
  if (number >= 0x80000000u) { return select(-bitcast<f32>(number) * v, v, v > vec4f(0)); }
  switch number {
${cases}
    default: { return v; }
  }
}`;
