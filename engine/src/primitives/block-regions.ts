import type { Excitation } from '../mask/excitation.js';
import type { Block } from '../network/network.js';
import { type BlockShape, isPointwise } from '../network/shapes.js';
import type { ProgramBuilder } from '../program/builder.js';
import type { ProgramMask, ProgramRegion } from '../program/program.js';

/** Where an adaptive block computes, pools and adds. Undefined is everywhere. */
export interface BlockRegions {
  /** The mask's own pixels, where the branch is added. */
  readonly active: ProgramRegion | undefined;
  /** Where each convolution of the branch is computed. */
  readonly layers: readonly (ProgramRegion | undefined)[];
  /** What attention pools over. */
  readonly pooled: ProgramRegion | undefined;
  /** Where a spatial attention's scales are needed, its own layer being computed at more pixels than these. */
  readonly attended: ProgramRegion | undefined;
}

/** The last convolution is computed at the mask, each earlier one where it is read, some everywhere. */
export function blockRegions(
  builder: ProgramBuilder,
  { branch, attention }: Block,
  shape: BlockShape,
  mask: ProgramMask,
  { denseConv1, excitation }: { readonly denseConv1: boolean; readonly excitation: Excitation },
): BlockRegions {
  const layers: (ProgramRegion | undefined)[] = branch.map(() => undefined);
  const exact = excitation === 'exact';
  const denseUpTo = Math.max(denseConv1 ? 0 : -1, attention && exact ? attention.after : -1);
  // Active pixels are pooled whether or not the plan computes the others as well.
  const pooledLayer = attention && !exact ? attention.after : branch.length;
  const lowest = Math.min(denseUpTo + 1, pooledLayer);
  const active = builder.activeRegion(mask);
  let region = active;
  let pooled: ProgramRegion | undefined;
  let attended: ProgramRegion | undefined;
  for (let i = branch.length - 1; i >= lowest; i--) {
    if (i === pooledLayer && attention?.spatial) {
      const { height, width } = shape.branch[i]!;
      attended = region;
      region = builder.readRegion(region, attention.spatial, height, width);
    }
    if (i > denseUpTo) layers[i] = region;
    if (i === pooledLayer) pooled = region;
    const reader = branch[i]!;
    if (i > lowest && !isPointwise(reader)) {
      const { height, width } = shape.branch[i - 1]!;
      region = builder.readRegion(region, reader, height, width);
    }
  }
  return { active, layers, pooled, attended };
}
