import { blocksOf, makePlan, type Network } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { learnedMasker } from '../../../engine/src/mask/learned.js';
import { lowerNetwork } from '../../../engine/src/plan/lower.js';
import { decisionOf } from '../../../engine/src/primitives/decision.js';
import { Formulas } from '../../../engine/src/program/formulas.js';
import { stepOf } from '../../../engine/src/program/steps.js';
import { smallNetwork } from '../support/small-network.js';

/** What the second block's output holds, as a formula over its input. */
function formulaOf(network: Network, strategy: string, excitation: 'exact' | 'active' = 'exact'): string {
  const { height, width, channels } = network.inputShape;
  const block = blocksOf(network)[1]!;
  const decisions = blocksOf(network).map((each) => decisionOf(each, learnedMasker()));
  const plan = makePlan(network, { strategy, granularity: 2, excitation });
  const { program } = lowerNetwork(network, plan, [1, height, width, channels], decisions, new Map());
  const node = network.nodes.findIndex(({ name }) => name === block.name);
  const steps = program.steps.filter(({ owner }) => owner.node === node);
  const formulas = new Formulas(({ name }) => name);
  const first = stepOf(steps, block.branch[0]!)!.operations.find(({ kind }) => kind === 'convolve');
  const input = first?.kind === 'convolve' ? first.source : program.input;
  formulas.begin(input, block.activation);
  for (const { operations } of steps) for (const operation of operations) formulas.perform(operation);
  const writer = steps
    .flatMap(({ operations }) => operations)
    .findLast((operation) => 'destination' in operation)!;
  if (!('destination' in writer)) throw new Error('nothing is written');
  // Maps and regions are numbered as they are made.
  return formulas
    .of(writer.destination)
    .replaceAll(new RegExp(`%${input.id}\\b`, 'g'), 'x')
    .replaceAll(/@(\d+)/g, (_, id) => (program.regions[Number(id)]!.reads ? '@read' : '@mask'));
}

describe('formulas', () => {
  const branch = 'block1.conv3(relu(block1.conv2(relu(block1.conv1(x)))))';
  it.each([
    [{}, `[relu((x + ${branch})) at @mask, x elsewhere]`],
    [
      { strides: [1, 2] },
      `[relu((${branch} + block1.projection(x))) at @mask, relu(block1.projection(x)) elsewhere]`,
    ],
    [{ kind: 'basic' as const }, '[relu((x + block1.conv2(relu(block1.conv1(x))))) at @mask, x elsewhere]'],
    [{ kind: 'inverted' as const }, `[(x + ${branch}) at @mask, x elsewhere]`],
    [{ kind: 'single' as const }, '[relu((x + block1.conv1(x))) at @mask, x elsewhere]'],
  ])('are one for every strategy: %j', (options, wanted) => {
    const network = smallNetwork({ strides: [1, 1], ...options });
    for (const strategy of ['unfused', 'lasnet', 'streamed'])
      expect(`${strategy} ${formulaOf(network, strategy)}`).toBe(`${strategy} ${wanted}`);
  });

  it.each([undefined, 0, 2])('are one with squeeze-and-excitation behind convolution %s', (exciteAfter) => {
    const network = smallNetwork({
      ...{ strides: [1, 1], excite: true },
      ...(exciteAfter === undefined ? {} : { exciteAfter }),
    });
    const [exact, active] = [formulaOf(network, 'unfused'), formulaOf(network, 'unfused', 'active')];
    expect(exact).toContain('by excite mean block1.reduce block1.gate');
    expect(active).not.toBe(exact);
    expect(formulaOf(network, 'streamed')).toBe(exact);
    expect(formulaOf(network, 'streamed', 'active')).toBe(active);
  });

  it('differ where something else is computed', () => {
    const network = smallNetwork({ strides: [1, 1] });
    expect(formulaOf(network, 'dense')).toBe(`relu((x + ${branch}))`);
  });
});
