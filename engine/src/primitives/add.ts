import { hasShortcut } from '../network/network.js';
import type { Owner, ProgramMap, ProgramRegion } from '../program/program.js';
import type { BlockLowering } from './block-lowering.js';
import { lowerNextPool, poolsBehindAdd } from './next-pool.js';
import { branchPrimitives, convolutionName } from './primitive.js';
import type { PrimitiveRecord } from './record.js';

export const add: PrimitiveRecord = {
  description: 'residual add and activation',
  counts: 'data',
  standing: () => 'required',
  // What is added follows the mask.
  after: (block) => ['index', 'projection', ...branchPrimitives(block), 'scatter'],
  // The last convolution may have done it.
  lower: (block) => {
    if (!block.output) lowerAdd(block);
  },
};

function lowerAdd(lowering: BlockLowering): void {
  const { network, block } = lowering;
  const owner = lowering.owner('add');
  const { activation } = block;
  const { map } = lowering.values;
  if (!hasShortcut(lowering.block)) {
    // Nothing to add: the branch is the output, and a linear one is finished already.
    if (activation !== 'none') network.add(owner, map, undefined, map, activation);
    lowering.output = map;
    return;
  }
  const added = lowering.addsOutOfMap
    ? lowering.activeRegion
    : map.layout.kind === 'packed'
      ? map.layout.region
      : undefined;
  if (added) {
    const output = prepareOutput(lowering, owner);
    beginAdd(lowering, owner);
    network.builder.emit(owner, {
      kind: 'scatter-add',
      source: map,
      destination: output,
      region: added,
      shortcut: lowering.shortcut,
      activation,
    });
    lowering.output = output;
    if (poolsBehindAdd(lowering)) lowerNextPool(lowering, output);
    return;
  }
  const output = block.projection || lowering.inPlace ? lowering.shortcut : map;
  beginAdd(lowering, owner);
  network.add(owner, lowering.shortcut, map, output, activation);
  lowering.output = output;
  if (poolsBehindAdd(lowering)) lowerNextPool(lowering, output);
}

/**
 * The last convolution adds the shortcut in its epilogue when the plan puts both into one pass, but not when it is
 * also the first one and would write over what it reads.
 */
export function fusesAdd(lowering: BlockLowering, layer: number): boolean {
  const { branch, attention } = lowering.block;
  const name = convolutionName(layer);
  return (
    layer === branch.length - 1 &&
    branch[layer]!.activation === 'none' &&
    // What is normalised is the branch alone.
    !branch[layer]!.normalisation &&
    attention?.after !== layer &&
    !lowering.addsOutOfMap &&
    !(layer === 0 && lowering.inPlace && !lowering.block.projection) &&
    lowering.together(name, 'add') &&
    (!lowering.sequence.includes('scatter') || lowering.together(name, 'scatter')) &&
    lowering.precedes('projection', name)
  );
}

/** The map that the block's output goes to, with everything in it that the add will not touch. */
export function prepareOutput(lowering: BlockLowering, owner: Owner): ProgramMap {
  const { network, block, shortcut } = lowering;
  const active = lowering.activeRegion;
  if (block.projection) {
    if (active && !lowering.shortcutActivated) activateOthers(lowering, owner, shortcut, active);
    return shortcut;
  }
  if (!hasShortcut(lowering.block)) return lowering.outputMap();
  if (lowering.inPlace) {
    if (active && !lowering.identityStands) activateOthers(lowering, owner, shortcut, active);
    return shortcut;
  }
  const output = lowering.outputMap();
  if (active) network.add(owner, shortcut, undefined, output, block.activation);
  return output;
}

function activateOthers(lowering: BlockLowering, owner: Owner, map: ProgramMap, active: ProgramRegion): void {
  const { activation } = lowering.block;
  if (activation === 'none') return;
  lowering.network.builder.emit(owner, { kind: 'activate-others', map, region: active, activation });
}

/** Streams the add that is emitted next with the next block's pool, where they share a pass. */
function beginAdd(lowering: BlockLowering, owner: Owner): void {
  if (poolsBehindAdd(lowering)) lowering.stream(owner, 2);
}
