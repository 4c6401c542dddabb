import { LRUCache } from 'lru-cache';
import type { Block, Network } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import { networkShapes } from '../../network/walk.js';
import type { Plan } from '../../plan/plan.js';
import { blockKind, type Schedule, scheduleText } from './block-kind.js';
import { type CostedProgram, lowerFor, wholeProgram } from './costed-program.js';

/** The node of a block that is costed alone: its input has been activated. */
export const BLOCK_NODE = 1;

function alone(block: Block, { inHeight, inWidth }: BlockShape): Network {
  const channels = block.branch[0]!.inChannels;
  return {
    name: block.name,
    format: 'built',
    inputShape: { channels, height: inHeight, width: inWidth },
    nodes: [
      { kind: 'activation', name: 'input', inputs: ['x'], output: 'a', activation: block.activation },
      {
        kind: 'block',
        name: block.name,
        inputs: ['a'],
        output: 'y',
        block: { ...block, index: 0, stage: 0 },
      },
    ],
    input: 'x',
    output: 'y',
    notes: [],
  };
}

/** A search over a large network needs some hundreds. */
const KEPT_PROGRAMS = 2000;
const programs = new LRUCache<string, CostedProgram>({ max: KEPT_PROGRAMS });

/** The program of a single block: it includes its own pool, and pools for no other block. */
export function programOfBlock(
  block: Block,
  shape: BlockShape,
  plan: Schedule,
  batch: number,
): CostedProgram {
  const { rewrite } = plan;
  const make = () => {
    const network = alone(block, shape);
    const { height, width } = network.inputShape;
    const whole: Plan = { network: network.name, strategy: 'alone', blocks: [{ ...plan, block: 0 }] };
    const shapes = networkShapes(network, { batch, height, width });
    // Most are compared once and share nothing: parts would only cost time.
    return wholeProgram(network, whole, lowerFor(network, whole, shapes));
  };
  let key = `${blockKind(block, shape)} ${batch} ${scheduleText(plan)}`;
  // What a rewrite answers is known only once it is asked.
  const rewritten = rewrite && make();
  if (rewritten) key += ` ${rewritten.lowered.rewritten}`;
  let program = programs.get(key);
  if (!program) {
    program = rewritten ?? make();
    programs.set(key, program);
  }
  return program;
}
