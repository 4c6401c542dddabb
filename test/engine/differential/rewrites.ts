import { type Plan, Random } from '@fovea/engine';
import {
  mergeSteps,
  type Operation,
  orderCells,
  type ProgramMap,
  type Rewrite,
  type RewriteTools,
  type Step,
  splitStep,
} from '@fovea/engine/backend';
import { shuffledCells } from '../support/rewrites.js';

type Edit = (steps: readonly Step[], random: Random, tools: RewriteTools) => readonly Step[];
type Convolve = Extract<Operation, { kind: 'convolve' }>;

const pick = <T>(list: readonly T[], random: Random): T | undefined => list[random.below(list.length)];

/** `steps` with one operation replaced by others, each but the last a step of its own. */
function replaced(steps: readonly Step[], old: Operation, ...operations: Operation[]): Step[] {
  return steps.flatMap((step) => {
    if (!step.operations.includes(old)) return [step];
    const { owner } = step;
    const last = operations.at(-1)!;
    const changed = step.operations.map((operation) => (operation === old ? last : operation));
    return [
      ...operations.slice(0, -1).map((operation) => ({ owner, operations: [operation] })),
      { ...step, operations: changed },
    ];
  });
}

const operationsOf = (steps: readonly Step[]) => steps.flatMap(({ operations }) => operations);
const convolutionsOf = (steps: readonly Step[]) =>
  operationsOf(steps).filter((operation): operation is Convolve => operation.kind === 'convolve');

const edits: readonly Edit[] = [
  // Two steps as one stream: most often one that reads what the other writes.
  (steps, random) => {
    const second = pick(steps, random)!;
    const [first] = second.operations;
    const source = first && 'source' in first ? first.source : undefined;
    const writers = steps.filter(({ operations }) =>
      operations.some((operation) => 'destination' in operation && operation.destination === source),
    );
    return mergeSteps(
      steps,
      pick(writers.length > 0 && random.next() < 0.8 ? writers : steps, random),
      second,
    );
  },
  (steps, random) => {
    const step = pick(steps, random)!;
    const { length } = step.operations;
    return splitStep(steps, step, length > 2 ? 1 + random.below(length - 1) : undefined);
  },
  // Another order.
  (steps, random) => {
    const step = pick(steps, random)!;
    return steps.filter((other) => other !== step).toSpliced(random.below(steps.length), 0, step);
  },
  // Other bands.
  (steps, random) => {
    const step = pick(
      steps.filter(({ operations }) => operations.length > 1),
      random,
    );
    const bandPixels = pick([1, 3, 7, 16, 64, 200], random)!;
    return steps.map((other) => (other === step ? { ...step, bandPixels } : other));
  },
  // Another order of cells, with streams cut for it or not.
  (steps, random) => {
    const order = (rows: number, columns: number) => shuffledCells(rows, columns, random);
    if (random.next() < 0.7) return orderCells(steps, order);
    const found = operationsOf(steps).find((operation) => operation.kind === 'index');
    if (found?.kind !== 'index') return steps;
    const { rows, columns } = found.mask;
    return replaced(steps, found, { ...found, order: order(rows, columns) });
  },
  // Computed everywhere.
  (steps, random) => {
    const found = pick(convolutionsOf(steps), random);
    if (!found) return steps;
    const { region, ...everywhere } = found;
    return replaced(steps, found, everywhere);
  },
  // The addition taken into the convolution before it, and out of it.
  (steps) => {
    const operations = operationsOf(steps);
    const added = operations.find((operation) => operation.kind === 'scatter-add');
    if (added?.kind !== 'scatter-add') return steps;
    const { source, destination, region, shortcut, activation } = added;
    const writer = convolutionsOf(steps).find((operation) => operation.destination === source);
    if (!writer) return steps;
    const left = steps.filter((step) => !step.operations.includes(added));
    return replaced(left, writer, { ...writer, destination, region, residual: shortcut, activation });
  },
  (steps, _, { map }) => {
    const found = convolutionsOf(steps).find(({ residual, region }) => residual && region);
    if (!found) return steps;
    const { residual, region, destination, convolution, activation, ...rest } = found;
    if (activation === 'prelu') return steps;
    const source = map(destination.shape, region);
    return replaced(
      steps,
      found,
      { ...rest, convolution, region: region!, destination: source, activation: convolution.activation },
      { kind: 'scatter-add', source, destination, region: region!, shortcut: residual!, activation },
    );
  },
  // Mistakes: left out, written elsewhere, without the activation.
  (steps, random) => {
    const step = pick(steps, random);
    return steps.filter((other) => other !== step);
  },
  (steps, random) => {
    const found = pick(convolutionsOf(steps), random);
    const maps = operationsOf(steps).flatMap((operation) => Object.values(operation) as unknown[]);
    const alike = maps.filter(
      (map): map is ProgramMap =>
        typeof map === 'object' &&
        map !== null &&
        'layout' in map &&
        String((map as ProgramMap).shape) === String(found?.destination.shape),
    );
    const destination = pick(alike, random);
    if (!found || !destination) return steps;
    const moved = replaced(steps, found, { ...found, destination });
    return moved.map((step) => ({
      ...step,
      operations: step.operations.map((operation) =>
        'source' in operation && operation.source === found.destination
          ? ({ ...operation, source: destination } as Operation)
          : operation,
      ),
    }));
  },
  (steps, random) => {
    const found = pick(convolutionsOf(steps), random);
    return found ? replaced(steps, found, { ...found, activation: 'none' }) : steps;
  },
];

/** A rewrite of random edits, which may or may not be one that the engine takes. */
function randomRewrite(seed: number): Rewrite {
  return {
    name: `edits ${seed}`,
    apply(steps, tools) {
      const random = new Random(seed);
      let edited: readonly Step[] = steps;
      for (let left = 1 + random.below(4); left > 0; left--)
        edited = pick(edits, random)!(edited, random, tools);
      return edited;
    },
  };
}

/** Random rewrites that are tried for each block before it is left as it is. */
const ATTEMPTS = 12;

/** Runs a plan with every block rewritten at random: of what the engine refuses, other rewrites are tried. */
export async function runRewritten<Result>(
  plan: Plan,
  seed: number,
  run: (plan: Plan) => Promise<Result>,
): Promise<Result> {
  const attempts = plan.blocks.map(() => 0);
  for (;;) {
    const blocks = plan.blocks.map((block, i) =>
      attempts[i]! < ATTEMPTS
        ? { ...block, rewrite: randomRewrite(seed * 10_000 + i * ATTEMPTS + attempts[i]!) }
        : block,
    );
    try {
      return await run({ ...plan, blocks });
    } catch (error) {
      const refused = /^rewrite "edits (\d+)" of block/.exec((error as Error).message);
      if (!refused || (error as { code?: unknown }).code !== 'bad-argument') throw error;
      attempts[Math.floor((Number(refused[1]) - seed * 10_000) / ATTEMPTS)]!++;
    }
  }
}
