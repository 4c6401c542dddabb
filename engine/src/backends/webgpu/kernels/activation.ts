/**
 * `activated(value, number)`, by the numbers of `activationNumber`; exponents are kept where float32 does not overflow,
 * for WGSL promises no infinities. Mish and GELU are computed as the native kernels do.
 */
export const activationCode = `
fn sigmoid(v: vec4f) -> vec4f { return vec4f(1) / (vec4f(1) + exp(min(-v, vec4f(80)))); }
fn hardSigmoid(v: vec4f) -> vec4f { return clamp(v / 6 + 0.5, vec4f(0), vec4f(1)); }
fn mish(v: vec4f) -> vec4f {
  let e = exp(min(v, vec4f(20)));
  let n = e * (e + 2);
  return v * n / (n + 2);
}
fn gelu(v: vec4f) -> vec4f {
  let z = abs(v) * 0.70710678119;
  let t = vec4f(1) / (z * 0.3275911 + 1);
  let p = ((((t * 1.061405429 - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  return max(v, vec4f(0)) - 0.5 * abs(v) * p * exp(max(-z * z, vec4f(-80)));
}
fn geluTanh(v: vec4f) -> vec4f { return v * sigmoid(v * (1.5957691216 + 0.0713548163 * v * v)); }
fn activated(v: vec4f, number: u32) -> vec4f {
  switch number {
    case 0u: { return v; }
    case 1u: { return max(v, vec4f(0)); }
    case 2u: { return clamp(v, vec4f(0), vec4f(6)); }
    case 3u: { return v * sigmoid(v); }
    case 4u: { return v * hardSigmoid(v); }
    case 5u: { return sigmoid(v); }
    case 6u: { return hardSigmoid(v); }
    case 7u: { return mish(v); }
    case 8u: { return gelu(v); }
    case 9u: { return geluTanh(v); }
    default: { return max(v, vec4f(0)) - bitcast<f32>(number) * min(v, vec4f(0)); }
  }
}`;
