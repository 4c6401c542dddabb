import { buffersOf, epilogueOf, parametersOf, resultOf, rowsOf } from './encode-convolution.js';
import { type Fusion, fusedSteps, kindOf } from './fusions.js';
import { activationValues } from './kernels/activation.js';
import { fusedKernel } from './kernels/fused.js';
import type { FusionTile } from './kernels/fusion.js';
import { type Launch, workgroupsFor } from './launch.js';
import type { Lists } from './lists.js';
import { type Squares, squareLaunch, squaresOf } from './squares.js';
import { biasVector } from './weights.js';

/**
 * The dispatch of several convolutions: it reads where the first one reads, and ends as the last one does.
 * @param tile that fits into the device's workgroup memory
 * @param copies whether the destination is a new map, which needs what is not computed
 * @param squares others than those of the operations themselves
 */
export function encodeFusion(
  fusion: Fusion,
  lists: Lists,
  tile: FusionTile,
  copies = false,
  squares?: Squares,
): Launch {
  const { operations, head, core, tail } = fusion;
  const [first, last] = [operations[0]!, operations.at(-1)!];
  const kind = kindOf(fusion, copies && last.region !== undefined);
  const shared = {
    kernel: fusedKernel(tile, kind, epilogueOf(last)),
    buffers: {
      ...buffersOf(last),
      source: { map: first.source },
      ...(head ? { headWeights: { convolution: head.convolution }, cells: 'cells' as const } : {}),
      ...(tail ? { coreWeights: { convolution: core.convolution } } : {}),
    },
  };
  const inner = {
    ...resultOf(last),
    ...(tail ? { coreBias: biasVector(core.convolution) } : {}),
    ...activationValues({
      activated: last.activation,
      ...(head ? { headActivated: head.activation } : {}),
      ...(tail ? { coreActivated: core.activation } : {}),
    }),
  };
  const effort = { family: tile.family, steps: fusedSteps(fusion, tile) };
  if (!head || !tile.side) {
    const rows = rowsOf(last, lists);
    return {
      ...shared,
      parameters: { ...parametersOf(first, rows), ...inner },
      workgroups: workgroupsFor(rows, 1, tile.rows),
      effort,
    };
  }
  const own = squares ?? squaresOf(last, tile.side, lists);
  const { parameters, workgroups } = squareLaunch(own, last, tile.side);
  const { padding } = core.convolution;
  return {
    ...shared,
    parameters: {
      ...parametersOf(head, { count: 0 }),
      ...inner,
      ...parameters,
      headBias: biasVector(head.convolution),
      ...{ coreTop: padding[0], coreLeft: padding[1] },
    },
    workgroups,
    effort: { ...effort, region: last.region },
  };
}
