import type { Activation } from '../../../network/network.js';

/** In the order of the cases below. */
const activations: readonly Activation[] = [
  'none',
  'relu',
  'relu6',
  'silu',
  'hardswish',
  'sigmoid',
  'hardsigmoid',
];

/** An activation's number in `activated`. */
export function activationNumber(activation: Activation): number {
  const number = activations.indexOf(activation);
  if (number < 0) throw new Error(`no WGSL for activation ${activation}`);
  return number;
}

/** `activated(value, number)`; exponents are kept where float32 does not overflow, for WGSL promises no infinities. */
export const activationCode = `
fn sigmoid(v: vec4f) -> vec4f { return vec4f(1) / (vec4f(1) + exp(min(-v, vec4f(80)))); }
fn hardSigmoid(v: vec4f) -> vec4f { return clamp(v / 6 + 0.5, vec4f(0), vec4f(1)); }
fn activated(v: vec4f, number: u32) -> vec4f {
  switch number {
    case 1u: { return max(v, vec4f(0)); }
    case 2u: { return clamp(v, vec4f(0), vec4f(6)); }
    case 3u: { return v * sigmoid(v); }
    case 4u: { return v * hardSigmoid(v); }
    case 5u: { return sigmoid(v); }
    case 6u: { return hardSigmoid(v); }
    default: { return v; }
  }
}`;
