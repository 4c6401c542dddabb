import type { Activation, Convolution } from '../../../network/network.js';
import { conv1RunsDense } from '../../../plan/validate.js';
import type { ProgramRegion } from '../../../program/program.js';
import type { BlockState } from './block-state.js';

/** Where each convolution of the branch is computed: the last at the mask, each earlier where it is read. */
export function branchRegions(
  state: Pick<BlockState, 'adaptive' | 'lowering' | 'shape' | 'block' | 'plan'>,
): (ProgramRegion | undefined)[] {
  const { adaptive, lowering, shape } = state;
  const { branch, squeezeExcitation } = state.block;
  const regions: (ProgramRegion | undefined)[] = branch.map(() => undefined);
  if (!adaptive) return regions;
  const { builder } = lowering;
  const denseUpTo =
    squeezeExcitation && state.plan.excitation === 'exact'
      ? squeezeExcitation.after
      : conv1RunsDense(state.plan)
        ? 0
        : -1;
  let region = builder.activeRegion(adaptive.mask);
  for (let i = branch.length - 1; i > denseUpTo; i--) {
    regions[i] = region;
    const reader = branch[i]!;
    if (i - 1 > denseUpTo && !isPointwise(reader)) {
      const { height, width } = shape.branch[i - 1]!;
      region = builder.readRegion(region, reader, height, width);
    }
  }
  return regions;
}

/** Every output pixel reads the input pixel of the same place, and nothing else. */
export function isPointwise({ kernel, stride, padding }: Convolution): boolean {
  return (
    kernel[0] === 1 &&
    kernel[1] === 1 &&
    stride[0] === 1 &&
    stride[1] === 1 &&
    padding.every((side) => side === 0)
  );
}

/** True when `activation(x) = x` for whatever `made` can produce. */
export function leavesUnchanged(activation: Activation, made: Activation): boolean {
  switch (activation) {
    case 'none':
      return true;
    case 'relu':
      return ['relu', 'relu6', 'sigmoid', 'hardsigmoid'].includes(made);
    case 'relu6':
      return ['relu6', 'sigmoid', 'hardsigmoid'].includes(made);
    default:
      return false;
  }
}
