import type { Primitive } from '../../../plan/plan.js';
import type { Owner, ProgramMap, ProgramRegion } from '../../../program/program.js';
import type { BlockState } from './block-state.js';
import { lowerNextPool, poolsBehindAdd } from './decision.js';

/** `projection`: the shortcut's convolution, everywhere. */
export function lowerProjection(state: BlockState): void {
  const { lowering, block } = state;
  const owner = state.owner('projection');
  const projection = block.projection!;
  const output = state.allocateOutput();
  const active = state.activeRegion;
  if (
    active &&
    state.precedes('index', 'projection') &&
    addsInPlace(state) &&
    projection.activation === 'none'
  ) {
    // Active pixels still have the branch added to them; the others are final here.
    lowering.convolve(owner, projection, state.input.map, output, { region: active });
    lowering.convolve(owner, projection, state.input.map, output, {
      region: active,
      others: true,
      activation: block.activation,
    });
    state.shortcutActivated = true;
  } else {
    lowering.convolve(owner, projection, state.input.map, output);
  }
  state.shortcut = output;
}

/** True when the add only touches active pixels, so that the others must be right already. */
function addsInPlace(state: BlockState): boolean {
  return !state.sequence.includes('scatter') || state.together('scatter', 'add');
}

/** The last convolution adds the shortcut in its epilogue when the plan puts both into one pass. */
export function fusesAdd(state: BlockState, layer: number): boolean {
  const { branch, squeezeExcitation } = state.block;
  const name = `conv${layer + 1}` as Primitive;
  return (
    layer === branch.length - 1 &&
    branch[layer]!.activation === 'none' &&
    squeezeExcitation?.after !== layer &&
    state.together(name, 'add') &&
    (!state.sequence.includes('scatter') || state.together(name, 'scatter')) &&
    state.precedes('projection', name)
  );
}

/** The map that the block's output goes to, with everything in it that the add will not touch. */
export function prepareOutput(state: BlockState, owner: Owner): ProgramMap {
  const { lowering, block, shortcut } = state;
  const active = state.activeRegion;
  if (block.projection) {
    if (active && !state.shortcutActivated) activateOthers(state, owner, shortcut, active);
    return shortcut;
  }
  if (!state.hasShortcut) return state.allocateOutput();
  if (state.inPlace) {
    if (active && !state.identityStands) activateOthers(state, owner, shortcut, active);
    return shortcut;
  }
  const output = state.allocateOutput();
  if (active) lowering.add(owner, shortcut, undefined, output, block.activation);
  return output;
}

function activateOthers(state: BlockState, owner: Owner, map: ProgramMap, active: ProgramRegion): void {
  const { activation } = state.block;
  if (activation === 'none') return;
  state.lowering.builder.emit(owner, { kind: 'activate-others', map, region: active, activation });
}

/** `scatter` by itself: packed rows to a map of zeros. With the add in its pass, the add does it. */
export function lowerScatter(state: BlockState): void {
  if (state.output || state.together('scatter', 'add')) return;
  const { map } = state.values;
  if (map.layout.kind !== 'packed') return;
  const destination = state.allocateOutput();
  state.lowering.builder.emit(state.owner('scatter'), { kind: 'scatter', source: map, destination });
  state.values = { map: destination, region: undefined };
}

/** `add`: of the shortcut and the activation, unless the last convolution has done it. */
export function lowerAdd(state: BlockState): void {
  if (state.output) return;
  const { lowering, block } = state;
  const owner = state.owner('add');
  const { activation } = block;
  const { map } = state.values;
  if (!state.hasShortcut) {
    // Nothing to add: the branch is the output, and a linear one is finished already.
    if (activation !== 'none') lowering.add(owner, map, undefined, map, activation);
    state.output = map;
    return;
  }
  if (map.layout.kind === 'packed') {
    const output = prepareOutput(state, owner);
    beginAdd(state, owner);
    lowering.builder.emit(owner, {
      kind: 'scatter-add',
      source: map,
      destination: output,
      shortcut: state.shortcut,
      activation,
    });
    state.output = output;
    if (poolsBehindAdd(state)) lowerNextPool(state, output);
    return;
  }
  const output = block.projection || state.inPlace ? state.shortcut : map;
  beginAdd(state, owner);
  lowering.add(owner, state.shortcut, map, output, activation);
  state.output = output;
  if (poolsBehindAdd(state)) lowerNextPool(state, output);
}

/** Streams the add that is emitted next with the next block's pool, where they share a pass. */
function beginAdd(state: BlockState, owner: Owner): void {
  if (poolsBehindAdd(state)) state.lowering.builder.stream(owner, 2);
}
