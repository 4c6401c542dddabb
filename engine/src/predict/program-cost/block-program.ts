import { LRUCache } from 'lru-cache';
import type { Block, Network } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { NetworkShapes } from '../../network/walk.js';
import type { Plan } from '../../plan/plan.js';
import type { Shape } from '../../tensor.js';
import { blockKind, type Schedule, scheduleText } from './block-kind.js';
import { type CostedProgram, costedProgram } from './costed-program.js';

/** The node of a block that is costed alone: its input has been activated. */
export const BLOCK_NODE = 1;

/** A network of one block. */
interface Alone {
  readonly network: Network;
  readonly shapes: NetworkShapes;
}

function makeAlone(block: Block, shape: BlockShape, batch: number): Alone {
  const { inHeight, inWidth, outHeight, outWidth } = shape;
  const channels = block.branch[0]!.inChannels;
  const network: Network = {
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
  const input: Shape = [batch, inHeight, inWidth, channels];
  const output: Shape = [batch, outHeight, outWidth, block.branch.at(-1)!.outChannels];
  const values = new Map([
    ['x', input],
    ['a', input],
    ['y', output],
  ]);
  // The block's own object, by which its kind is known.
  return { network, shapes: { values, blocks: [shape] } };
}

/** By the block's shape on its input, and the batch. */
const alones = new WeakMap<BlockShape, Map<number, Alone>>();

function alone(block: Block, shape: BlockShape, batch: number): Alone {
  const known = alones.get(shape) ?? new Map<number, Alone>();
  alones.set(shape, known);
  const made = known.get(batch) ?? makeAlone(block, shape, batch);
  known.set(batch, made);
  return made;
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
    const { network, shapes } = alone(block, shape, batch);
    const whole: Plan = { network: network.name, strategy: 'alone', blocks: [{ ...plan, block: 0 }] };
    return costedProgram(network, whole, shapes);
  };
  let key = `${blockKind(block, shape)} ${batch} ${scheduleText(plan)}`;
  // What a rewrite answers is known only once it is asked.
  const rewritten = rewrite && make();
  if (rewritten) key += ` ${rewritten.placed.rewritten}`;
  let program = programs.get(key);
  if (!program) {
    program = rewritten ?? make();
    programs.set(key, program);
  }
  return program;
}
