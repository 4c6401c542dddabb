import { LRUCache } from 'lru-cache';
import { PartPlacer, type PlacedPart } from '../../backends/native/encoded-part.js';
import type { ForeignNode, Network, NetworkNode } from '../../network/network.js';
import { paddedFor } from '../../network/padded.js';
import type { NetworkShapes } from '../../network/walk.js';
import { type Given, lowerPart, rewriteOf } from '../../plan/lower-part.js';
import type { Plan } from '../../plan/plan.js';
import { type Decision, decisionKey } from '../../primitives/decision.js';
import { type AdaptiveBlock, RemainingReads } from '../../primitives/network-lowering.js';
import type { BlockSchedule } from '../../primitives/primitive.js';
import { ProgramBuilder } from '../../program/builder.js';
import type { Shape } from '../../tensor.js';
import { blockKind, convolutionText, scheduleText } from './block-kind.js';
import { type CostedBlock, type CostedPart, costedPart, type NodePart, nodePart } from './costed-part.js';

/** A block that follows its mask, in the numbers of the program. */
export interface PlacedBlock extends CostedBlock, Pick<AdaptiveBlock, 'block' | 'shape'> {}

/** A part in its place in a program that is costed. */
export interface PlacedCosts {
  readonly part: CostedPart;
  readonly at: PlacedPart;
  /** The node that the part's own owners count from. */
  readonly node: number;
  /** By position in `part.adaptive`. */
  readonly adaptive: readonly PlacedBlock[];
}

/** A program as parts, one behind the other. */
export interface PlacedParts {
  readonly parts: readonly PlacedCosts[];
  /** Number of the map that the caller writes first. */
  readonly input: number;
  /** Number of the map that the caller reads last; undefined where the program ends at a foreign node of unknown shape. */
  readonly output: number | undefined;
  /** What rewrites answered, as text. */
  readonly rewritten: string;
}

/** Parts of nodes, by all that they follow from: networks have many blocks that are alike, and share them. */
const KEPT_PARTS = 1000;
const nodeParts = new LRUCache<string, NodePart>({ max: KEPT_PARTS });

/** A value of the network in a program. */
interface PlacedValue extends Given {
  readonly map: number;
}

/**
 * The program of a plan as parts, one for each node: the same program as `lowerNetwork` makes, but nodes that are alike
 * are lowered once. Rewrites are asked each time.
 * @param decisions how each block's mask comes about, by block index
 * @throws FoveaError as `lowerNetwork` does
 */
export function partsOfPlan(
  unpadded: Network,
  plan: Plan,
  { values: shapes, blocks }: NetworkShapes,
  decisions: readonly Decision[],
): PlacedParts {
  const input: Shape = shapes.get(unpadded.input)!;
  const network = paddedFor(unpadded, { height: input[1], width: input[2] });
  const reads = new RemainingReads(network);
  const placer = new PartPlacer();
  const first = inputPart(input);
  const start: PlacedCosts = { part: first, at: placer.place(first.encoded), node: 0, adaptive: [] };
  const inputMap = start.at.maps[0]!;
  const values = new Map<string, PlacedValue>([
    [network.input, { map: inputMap, shape: input, activation: 'none' }],
  ]);
  let handed: { readonly mask: number; readonly pooled: number | undefined } | undefined;
  const foreign = knownForeignShapes(network, shapes);
  const parts = [start];
  let rewritten = '';
  for (const [position, node] of network.nodes.entries()) {
    const given = new Map(node.inputs.map((name) => [name, values.get(name)!]));
    const make = () => {
      const before = { values: given, handed: handed && { pooled: handed.pooled !== undefined } };
      return nodePart(lowerPart(network, plan, decisions, position, before, foreign));
    };
    let part: NodePart;
    if (node.kind === 'foreign' || rewriteOf(node, plan)) {
      part = make();
    } else {
      let key = '';
      for (const name of node.inputs) {
        const { shape, activation } = given.get(name)!;
        key += `${shape} ${activation} ${reads.isLast(name)} ${node.inputs.indexOf(name)} `;
      }
      key += `${handed ? handed.pooled !== undefined : ''} ${nodeText(network, plan, blocks, decisions, position)}`;
      part = nodeParts.get(key) ?? make();
      nodeParts.set(key, part);
    }
    if (part.rewritten !== undefined) rewritten += `${position}: ${part.rewritten}\n`;
    const givenMaps = [...given.values()].map(({ map }) => map);
    if (handed?.pooled !== undefined) givenMaps.push(handed.pooled);
    const at = placer.place(part.encoded, givenMaps, handed ? [handed.mask] : []);
    reads.finish(node);
    const { output, next } = part;
    if (output) values.set(node.output, { ...output, map: at.maps[output.map]! });
    handed = next && {
      mask: at.masks[next.mask]!,
      pooled: next.pooled === undefined ? undefined : at.maps[next.pooled]!,
    };
    const adaptive = part.adaptive.map(({ mask, region, conv1Region }): PlacedBlock => {
      const { block } = node as Extract<NetworkNode, { kind: 'block' }>;
      const numbered = (id: number | undefined) => (id === undefined ? undefined : at.firstRegion + id);
      return {
        ...{ block, shape: blocks[block.index]!, mask: at.masks[mask]! },
        ...{ region: numbered(region), conv1Region: numbered(conv1Region) },
      };
    });
    parts.push({ part, at, node: position, adaptive });
    if (!output) break;
  }
  return { parts, input: inputMap, output: values.get(network.output)?.map, rewritten };
}

/** The output shapes of foreign nodes, as far as they are known. */
export function knownForeignShapes(
  { nodes }: Network,
  values: NetworkShapes['values'],
): ReadonlyMap<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const { kind, name, output } of nodes) {
    const known = values.get(output);
    if (kind === 'foreign' && known) shapes.set(name, known);
  }
  return shapes;
}

const inputParts = new LRUCache<string, CostedPart>({ max: KEPT_PARTS });

/** The input, which no node writes. */
function inputPart(input: Shape): CostedPart {
  const key = `${input}`;
  let part = inputParts.get(key);
  if (!part) {
    const builder = new ProgramBuilder();
    builder.map(input);
    part = costedPart({ ...builder.made, given: [] }, []);
    inputParts.set(key, part);
  }
  return part;
}

/** All that a node's steps follow from of itself, its plan and its mask, and of the block that it may pool for. */
function nodeText(
  { nodes }: Network,
  plan: Plan,
  shapes: NetworkShapes['blocks'],
  decisions: readonly Decision[],
  position: number,
): string {
  const node = nodes[position] as Exclude<NetworkNode, ForeignNode>;
  if (node.kind === 'convolution') return `convolution ${convolutionText(node.convolution)}`;
  if (node.kind !== 'block') {
    const { name, inputs, output, ...rest } = node;
    return JSON.stringify(rest);
  }
  const blockText = ({ block }: typeof node) =>
    `${blockKind(block, shapes[block.index]!)} ${decisionKey(decisions[block.index]!)}`;
  const schedule = plan.blocks[node.block.index]!;
  const text = `${blockText(node)} ${scheduleText(schedule)}`;
  const next = nodes[position + 1];
  if (next?.kind !== 'block' || next.inputs[0] !== node.output || !poolsForNext(schedule)) return text;
  const { mode, granularity } = plan.blocks[next.block.index]!;
  return `${text} ${blockText(next)} ${mode} ${granularity}`;
}

const poolsForNext = ({ groups }: BlockSchedule) =>
  groups.some(({ primitives }) => primitives.includes('next-pool'));
