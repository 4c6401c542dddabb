import {
  byField,
  type MeasuredPass,
  type ProfileBuilder,
  passLabel,
} from '../../backends/profile-builder.js';
import { decideMask } from '../../mask/decide.js';
import { activeFraction, spreadCells } from '../../mask/geometry.js';
import type { Mask, Masker } from '../../mask/mask.js';
import { adaptivePool } from '../../mask/pool.js';
import { regionPixels } from '../../mask/regions.js';
import { decidesByRule, decisionFlops } from '../../mask/rule.js';
import { convolutionFlops, denseBlockFlops } from '../../network/flops.js';
import type { Block, BlockNode, Network } from '../../network/network.js';
import type { BlockShape } from '../../network/shapes.js';
import type { BlockPlan } from '../../plan/plan.js';
import { Tensor } from '../../tensor.js';
import { feedOf, type OpenModels, runGraph } from './models.js';
import { skipGraph, sparseGraph } from './sparse-graph.js';
import { type SparseLists, sparseLists } from './sparse-lists.js';
import { neededRegions, sparseForm } from './sparse-shape.js';

export interface AdaptiveBlockContext {
  readonly network: Network;
  readonly shape: BlockShape;
  readonly plan: BlockPlan;
  readonly masker: Masker;
  readonly threads: number;
  readonly models: OpenModels;
  readonly profile: ProfileBuilder;
  /** Lets the event loop run; throws to stop. */
  readonly pause: () => Promise<void>;
}

/** Runs one block under its mask: decide, make index lists, run the block's graph on rows of pixels. */
export async function runAdaptiveBlock(
  node: BlockNode,
  input: Tensor,
  context: AdaptiveBlockContext,
): Promise<{ output: Tensor; mask: Mask }> {
  const { block } = node;
  const { shape, plan, profile, pause } = context;
  const batch = input.shape[0];
  const { mask, passes } = await decide(block, input, context);
  await pause();

  const beforeIndex = performance.now();
  const active = spreadCells(mask.cells, mask, batch, shape.outHeight, shape.outWidth);
  const regions = neededRegions(block, shape, plan, active, batch);
  const form = sparseForm(block, shape, plan, mask);
  if (form.note) profile.note(form.note);
  const empty = activeFraction(active) === 0;
  const lists = empty ? undefined : sparseLists(block, shape, mask, form, regions, active);
  const indexMs = performance.now() - beforeIndex;
  await pause();

  const settled = isSettled(context.network, node);
  const key = empty ? `block ${block.index} skipped` : `block ${block.index} as ${JSON.stringify(form)}`;
  const make = () =>
    lists ? sparseGraph(block, shape, batch, form, settled) : skipGraph(block, shape, batch);
  // A block that is skipped as a whole, and would not change its input anyway, costs nothing.
  const passesThrough = empty && settled && !block.projection;
  const session = passesThrough ? undefined : await context.models.get(key, context.threads, make);
  const beforeGraph = performance.now();
  const output = session ? await runLists(session, input, lists, shape, block.name) : input;
  const graphMs = performance.now() - beforeGraph;

  const listBytes = [...(lists?.feeds.values() ?? [])].reduce(
    (sum, { values }) => sum + values.byteLength,
    0,
  );
  const branch = plan.groups.filter(({ primitives }) =>
    primitives.some((primitive) => !preparing.has(primitive)),
  );
  if (branch.length > 1) {
    profile.note('onnxruntime runs the branch of a block as one graph, whatever groups the plan makes of it');
  }
  const first = shape.branch[0]!;
  passes.push(
    { primitives: ['index'], ms: indexMs, flops: 0, bytes: active.length + listBytes },
    {
      primitives: branch.flatMap(({ primitives }) =>
        primitives.filter((primitive) => !preparing.has(primitive)),
      ),
      ms: graphMs,
      flops: blockFlops(block, shape, batch, lists),
      bytes: passesThrough ? 0 : 4 * (input.data.length + output.data.length) + listBytes,
    },
  );
  const labels = passes.map(({ primitives }) => passLabel(block, primitives));
  profile.addBlock(block, labels, byField(passes), {
    rate: activeFraction(active),
    dilatedRate: regionPixels(regions[0]!, batch, first) / (batch * first.height * first.width),
    denseFlops: denseBlockFlops(block, shape, batch),
  });
  return { output, mask };
}

/** Primitives that are done before the block's graph runs, or in the next block. */
const preparing: ReadonlySet<string> = new Set(['pool', 'mask', 'index', 'next-pool']);

async function runLists(
  session: Parameters<typeof runGraph>[0],
  input: Tensor,
  lists: SparseLists | undefined,
  { outHeight, outWidth, outChannels }: BlockShape,
  source: string,
): Promise<Tensor> {
  const feeds = [...(lists?.feeds ?? [])].map(([name, { dims, values }]) => [name, dims, values] as const);
  const { y } = await runGraph(session, [feedOf('x', input), ...feeds], source);
  return new Tensor([input.shape[0], outHeight, outWidth, outChannels], y!.data as Float32Array);
}

/** The block's mask, and the passes that found it. */
async function decide(
  block: Block,
  input: Tensor,
  { shape, plan, masker }: AdaptiveBlockContext,
): Promise<{ mask: Mask; passes: MeasuredPass[] }> {
  let poolMs = 0;
  let pooledValues = 0;
  const before = performance.now();
  const mask = await decideMask(masker, block, shape, input.shape[0], plan.granularity, (grid) => {
    const pooled = adaptivePool(input, grid);
    poolMs = performance.now() - before;
    pooledValues = pooled.length;
    return pooled;
  });
  const decided: MeasuredPass = {
    primitives: ['mask'],
    ms: performance.now() - before - poolMs,
    flops: decidesByRule(masker, block) ? decisionFlops(mask.cells.length, shape.inChannels) : 0,
    bytes: 4 * pooledValues + mask.cells.length,
  };
  if (!masker.needsPool) return { mask, passes: [decided] };
  const pool: MeasuredPass = {
    primitives: ['pool'],
    ms: poolMs,
    flops: 0,
    bytes: 4 * (input.data.length + pooledValues),
  };
  return { mask, passes: [pool, decided] };
}

/** FLOPs of what was computed; without lists, of the shortcut alone. */
function blockFlops(block: Block, shape: BlockShape, batch: number, lists: SparseLists | undefined): number {
  const { projection, squeezeExcitation } = block;
  let flops = projection ? convolutionFlops(projection, batch * shape.outHeight * shape.outWidth) : 0;
  if (!lists) return flops;
  block.branch.forEach((convolution, i) => {
    flops += convolutionFlops(convolution, lists.pixels[i]!);
  });
  if (squeezeExcitation) {
    flops +=
      convolutionFlops(squeezeExcitation.reduce, batch) + convolutionFlops(squeezeExcitation.expand, batch);
  }
  return flops;
}

/** Whether the block's activation leaves the block's input as it is, because the node before has applied it. */
function isSettled(network: Network, node: BlockNode): boolean {
  const { activation, projection } = node.block;
  if (activation === 'none') return true;
  if (projection || (activation !== 'relu' && activation !== 'relu6')) return false;
  const writerOf = (value: string | undefined) => network.nodes.find(({ output }) => output === value);
  let before = writerOf(node.inputs[0]);
  while (before?.kind === 'max-pool') before = writerOf(before.inputs[0]);
  if (before?.kind === 'block') return before.block.activation === activation;
  if (before?.kind === 'convolution') return before.convolution.activation === activation;
  return (before?.kind === 'add' || before?.kind === 'activation') && before.activation === activation;
}
