import { expectArgument, expectOptions } from '../arguments/expect.js';
import { aNetwork, aNumber } from '../arguments/kinds.js';
import { blocksOf, type Network } from '../network/network.js';
import { networkShapes } from '../network/walk.js';
import { lowerNetwork } from '../plan/lower.js';
import { resolveStrategy } from '../plan/strategies.js';
import { decisionOf } from '../primitives/decision.js';
import { printProgram } from '../program/print.js';
import type { Program } from '../program/program.js';
import type { Shape } from '../tensor.js';
import { type NetworkRunOptions, runOptionKinds } from './options.js';
import { planRun } from './prepare.js';

/** What a program is made for. */
export interface ProgramOptions
  extends Pick<
    NetworkRunOptions,
    'plan' | 'strategy' | 'masker' | 'rate' | 'seed' | 'granularity' | 'excitation'
  > {
  /** Images; default 1. */
  readonly batch?: number;
  /** Input size in pixels; default the network's nominal one. */
  readonly height?: number;
  readonly width?: number;
}

const { plan, strategy, masker, rate, seed, granularity, excitation } = runOptionKinds;
const programOptionKinds = {
  ...{ plan, strategy, masker, rate, seed, granularity, excitation },
  batch: aNumber,
  height: aNumber,
  width: aNumber,
};

/**
 * The program that `run` would execute with these options: plain data, verified, the same for every backend that runs
 * programs. It ends at a foreign node whose output's shape is not known before it has run.
 *
 * @throws FoveaError as `run` does
 */
export function programOf(network: Network, options: ProgramOptions = {}): Program {
  expectArgument(network, aNetwork, 'programOf: network');
  expectOptions(options, programOptionKinds, 'programOf');
  const { batch = 1, height = network.inputShape.height, width = network.inputShape.width } = options;
  const { strategy } = options;
  const shape: Shape = [batch, height, width, network.inputShape.channels];
  const { values } = networkShapes(network, { batch, height, width });
  const { plan, maskers } = planRun(network, shape, options, resolveStrategy(strategy));
  const decisions = blocksOf(network).map((block) => decisionOf(block, maskers[block.index]));
  const foreignShapes = new Map<string, Shape>();
  for (const { kind, name, output } of network.nodes) {
    const known = values.get(output);
    if (kind === 'foreign' && known) foreignShapes.set(name, known);
  }
  return lowerNetwork(network, plan, shape, decisions, foreignShapes).program;
}

/**
 * The program of `programOf` as text, steps labelled with the network's own names.
 *
 * @example
 * ```ts
 * import { builtNetwork, programText } from '@fovea/engine';
 *
 * console.log(programText(builtNetwork('resnet18'), { strategy: 'streamed', granularity: 2 }));
 * ```
 */
export function programText(network: Network, options: ProgramOptions = {}): string {
  return printProgram(programOf(network, options), (node) => network.nodes[node]!.name);
}
