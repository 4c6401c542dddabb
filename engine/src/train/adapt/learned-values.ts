import { alwaysActive } from '../../mask/learned.js';
import type { Block, Convolution, LearnedMasker, Network } from '../../network/network.js';
import type { LearnedNorm } from './tape.js';

/** A block's masker while it is learned: a linear map from standardised features to two logits. */
export interface MaskerValues {
  /** `2 · C` values: compute, then skip. */
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly weightGradient: Float32Array;
  readonly biasGradient: Float32Array;
  /** What standardises a feature: `x · scale + shift`. */
  readonly scale: Float32Array;
  readonly shift: Float32Array;
}

/** All that is learned while a network is adapted, in flat arrays with their gradients, for the optimiser. */
export class LearnedValues {
  readonly values: Float32Array;
  readonly gradients: Float32Array;
  /** What standardises every masker's features. */
  readonly standardisation: Float32Array;
  readonly #maskers = new Map<number, MaskerValues>();
  readonly #norms = new Map<Convolution, LearnedNorm>();

  /**
   * @param blocks the blocks whose masks are learned
   * @param norms the convolutions whose channels' scale and shift are learned as well
   */
  constructor(blocks: readonly Block[], norms: readonly Convolution[]) {
    const features = blocks.reduce((sum, block) => sum + block.branch[0]!.inChannels, 0);
    const maskers = 2 * features + 2 * blocks.length;
    const length = norms.reduce((sum, { outChannels }) => sum + 2 * outChannels, maskers);
    this.standardisation = new Float32Array(2 * features);
    this.values = new Float32Array(length);
    this.gradients = new Float32Array(length);
    let [at, feature] = [0, 0];
    const next = (count: number) => {
      const parts = [this.values, this.gradients].map((array) => array.subarray(at, at + count));
      at += count;
      return parts as [Float32Array, Float32Array];
    };
    for (const { index, branch } of blocks) {
      const C = branch[0]!.inChannels;
      const [weight, weightGradient] = next(2 * C);
      const [bias, biasGradient] = next(2);
      const scale = this.standardisation.subarray(feature, feature + C).fill(1);
      const shift = this.standardisation.subarray(feature + C, feature + 2 * C);
      feature += 2 * C;
      this.#maskers.set(index, { weight, bias, weightGradient, biasGradient, scale, shift });
    }
    for (const convolution of norms) {
      const [scale, scaleGradient] = next(convolution.outChannels);
      const [shift, shiftGradient] = next(convolution.outChannels);
      const { normalisation } = convolution;
      // What is normalised has a scale and shift of its own.
      if (normalisation) scale.set(normalisation.scale);
      else scale.fill(1);
      shift.set(normalisation?.shift ?? convolution.bias);
      this.#norms.set(convolution, { scale, shift, scaleGradient, shiftGradient });
    }
  }

  get maskedBlocks(): number {
    return this.#maskers.size;
  }

  masker(block: number): MaskerValues | undefined {
    return this.#maskers.get(block);
  }

  norm(convolution: Convolution): LearnedNorm | undefined {
    return this.#norms.get(convolution);
  }

  /**
   * Starts a block from a masker and the mean and deviation of its features; margins are scaled to a deviation of
   * `spread`, so that Gumbel noise, whose own is about 1.8, neither drowns nor ignores them.
   */
  startFrom(
    block: number,
    { weight, bias }: LearnedMasker,
    moments: { readonly mean: Float64Array; readonly deviation: Float64Array },
    marginDeviation: number,
    spread = 2,
  ): void {
    const masker = this.masker(block)!;
    const factor = marginDeviation > 0 ? spread / marginDeviation : 1;
    const C = weight.length;
    let margin = bias;
    for (let c = 0; c < C; c++) {
      const [mean, deviation] = [moments.mean[c]!, moments.deviation[c]!];
      masker.scale[c] = 1 / deviation;
      masker.shift[c] = -mean / deviation;
      margin += weight[c]! * mean;
      const half = 0.5 * factor * weight[c]! * deviation;
      masker.weight[c] = half;
      masker.weight[C + c] = -half;
    }
    // A rate of 0 or 1 has a bias far out: kept within what learning can still turn.
    const half = 0.5 * Math.max(-3 * spread, Math.min(3 * spread, factor * margin));
    masker.bias.set([half, -half]);
  }

  /** A block's masker as inference uses it. */
  learnedMasker(block: number): LearnedMasker {
    const { weight, bias, scale, shift } = this.masker(block)!;
    const C = scale.length;
    const folded = new Float32Array(C);
    let margin = bias[0]! - bias[1]!;
    for (let c = 0; c < C; c++) {
      const slope = weight[c]! - weight[C + c]!;
      folded[c] = slope * scale[c]!;
      margin += slope * shift[c]!;
    }
    return { weight: folded, bias: Math.fround(margin) };
  }

  /** The network with what was learned in it. */
  applyTo(network: Network, granularity: readonly number[]): Network {
    const nodes = network.nodes.map((node) => {
      if (node.kind === 'convolution') return { ...node, convolution: this.#normed(node.convolution) };
      if (node.kind !== 'block') return node;
      return { ...node, block: this.#adapted(node.block, granularity[node.block.index]!) };
    });
    if (this.#norms.size === 0) return { ...network, nodes };
    // The file that the network came from computes something else now.
    const { onnxPath: _, onnxOutput: __, ...rest } = network;
    return { ...rest, nodes };
  }

  #adapted(block: Block, granularity: number): Block {
    const { masker: _, granularity: __, ...rest } = block;
    return {
      ...rest,
      branch: block.branch.map((convolution) => this.#normed(convolution)),
      ...(block.projection ? { projection: this.#normed(block.projection) } : {}),
      ...(this.masker(block.index)
        ? { masker: this.learnedMasker(block.index), granularity }
        : block.adaptive
          ? alwaysActive(block)
          : {}),
    };
  }

  #normed(convolution: Convolution): Convolution {
    const norm = this.norm(convolution);
    if (!norm) return convolution;
    const { normalisation } = convolution;
    if (normalisation) {
      const { scale, shift } = norm;
      return {
        ...convolution,
        normalisation: { ...normalisation, scale: scale.slice(), shift: shift.slice() },
      };
    }
    const each = convolution.weight.length / convolution.outChannels;
    return {
      ...convolution,
      weight: convolution.weight.map((value, i) => value * norm.scale[Math.floor(i / each)]!),
      bias: norm.shift.slice(),
    };
  }
}

/** Every convolution from the first block with a mask on whose scale and shift can be learned. */
export function normsAfter(network: Network, first: number): Convolution[] {
  const from = network.nodes.findIndex((node) => node.kind === 'block' && node.block.index === first);
  return network.nodes.slice(from).flatMap((node) => {
    if (node.kind === 'convolution') return [node.convolution];
    if (node.kind !== 'block') return [];
    const { branch, projection } = node.block;
    return [...branch.filter(({ maximum }) => !maximum), ...(projection ? [projection] : [])];
  });
}

/** Whether a block's mask saves anything while attention pools the whole map. */
export function savesWork({ adaptive, attention, branch }: Block): boolean {
  return adaptive && (attention?.after ?? -1) < branch.length - 1;
}
