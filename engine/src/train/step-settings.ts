/** What one step reads besides images and weights; written by the trainer before each step. */
export interface StepSettings {
  /** `[rate, momentum, weight decay]`. */
  readonly optimiser: Float32Array;
  /** `[α, T, label smoothing]` of the distillation and the cross entropy. */
  readonly classify: Float32Array;
  /** `[λ, t, u, l]` of the FLOPs loss. */
  readonly budget: Float32Array;
  /** `[temperature, share of the noise]` of the Gumbel-softmax decisions. */
  readonly gumbel: Float32Array;
  /** `[seed, step]` of the Gumbel noise. */
  readonly random: Uint32Array;
}

/** Settings that change nothing until a step writes its own. */
export function newSettings(): StepSettings {
  return {
    optimiser: new Float32Array([0, 0.9, 0]),
    classify: new Float32Array([0, 4, 0]),
    budget: new Float32Array([0, 1, 1, 0]),
    gumbel: new Float32Array([1, 1]),
    random: new Uint32Array(2),
  };
}
