import {
  makePlan,
  type Network,
  type Plan,
  predict,
  programText,
  randomMasker,
  run,
  type Strategy,
} from '@fovea/engine';
import { type Step, splitStep } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { asGrouped, denseFirst, rewritten } from '../support/rewrites.js';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

const streamsOf = (network: Network, strategy: Strategy) =>
  programText(network, { strategy })
    .split(/\n(?=\d+:)/)
    .filter((step) => step.includes('stream'));

const network = smallNetwork();

describe('a rewrite', () => {
  it('makes programs that no grouping makes: a dense convolution streamed with sparse ones', () => {
    const [first] = streamsOf(network, denseFirst);
    expect(first).toMatch(
      /block0.conv1 %\d+ relu\n.*block0.conv2 %\d+ @\d+ relu\n.*block0.conv3 .* @\d+ \+ %/,
    );
    expect(streamsOf(network, asGrouped(denseFirst)).join()).not.toMatch(/conv1 .*\n.*conv2/);
  });

  it('says so in the profile, at the passes that it changed', async () => {
    const { profile } = await run(network, randomImages(network), {
      strategy: denseFirst,
      backend: 'reference',
    });
    const notes = profile.ops.filter(({ block }) => block === 1).map(({ note }) => note);
    expect(notes.filter(Boolean)).toEqual([
      'nothing is left of it after "conv1 into the stream"',
      'rewritten by "conv1 into the stream"',
    ]);
  });

  it('shows in the share of conv1 that is computed', async () => {
    const everywhere = rewritten(
      'everywhere',
      (steps) =>
        steps.map((step) => ({
          ...step,
          operations: step.operations.map((operation) => {
            if (operation.kind !== 'convolve' || !operation.convolution.name.endsWith('conv1'))
              return operation;
            const { region, ...rest } = operation;
            return rest;
          }),
        })),
      'streamed',
    );
    const masker = randomMasker(0.2, 1);
    const dilated = async (strategy: string | Strategy) => {
      const { profile } = await run(network, randomImages(network), {
        strategy,
        masker,
        backend: 'reference',
      });
      const predicted = predict(network, { device: 'cpu-avx2', strategy, rate: 0.2 });
      return [profile, predicted].map(({ blocks }) => blocks[1]!.dilatedRate);
    };
    for (const rate of await dilated('streamed')) expect(rate).toBeLessThan(0.9);
    expect(await dilated(everywhere)).toEqual([1, 1]);
  });

  it('may answer with the steps that it was given', async () => {
    const same = rewritten('nothing', (steps) => steps);
    expect(programText(network, { strategy: same })).toBe(programText(network, { strategy: 'unfused' }));
  });

  it('gets frozen data, and what it does to its answer later changes nothing', () => {
    let answer: Step[] = [];
    const keeping = rewritten('keeping', (steps) => {
      expect(() => (steps as Step[]).pop()).toThrow(TypeError);
      expect(() => Object.assign(steps[0]!.operations[0]!, { kind: 'index' })).toThrow(TypeError);
      answer = steps.map((step) => ({ ...step, operations: [...step.operations] }));
      return answer;
    });
    const plan = makePlan(network, { strategy: keeping });
    const text = programText(network, { plan });
    answer.length = 0;
    expect(text).toBe(programText(network, { strategy: 'unfused' }));
  });

  it('makes maps of its own, packed or whole', async () => {
    const apart = rewritten(
      'the addition apart',
      (steps, { map }) => {
        const at = steps.findIndex(({ operations }) =>
          operations.some(
            (operation) => operation.kind === 'convolve' && operation.residual && operation.region,
          ),
        );
        const parts = splitStep(steps, steps[at]!);
        return parts.flatMap((step) => {
          const [operation] = step.operations;
          if (operation?.kind !== 'convolve' || !operation.residual || !operation.region) return [step];
          const { residual, region, destination, convolution, activation } = operation;
          if (activation === 'prelu') return [step];
          const source = map(destination.shape, region);
          const { residual: _, ...plain } = operation;
          return [
            { ...step, operations: [{ ...plain, destination: source, activation: convolution.activation }] },
            {
              owner: step.owner,
              operations: [
                {
                  ...{ kind: 'scatter-add', source, destination, region, shortcut: residual },
                  activation,
                },
              ],
            },
          ];
        });
      },
      'streamed',
    );
    expect(programText(network, { strategy: apart })).toMatch(/packed @\d+ = convolve block1.conv3/);
    const images = randomImages(network, 2);
    const [plain, changed] = [
      await run(network, images, { strategy: 'unfused' }),
      await run(network, images, { strategy: apart }),
    ];
    expect(relativeError(changed.output.data, plain.output.data)).toBeLessThan(1e-4);
  });
});

describe('a plan with a rewrite', () => {
  const plan = makePlan(network, { strategy: denseFirst });

  it('loses it in JSON, keeps its name, and is refused', () => {
    const read = JSON.parse(JSON.stringify(plan)) as Plan;
    expect(read.blocks[0]!.rewrite).toEqual({ name: 'conv1 into the stream' });
    const lost = /block 0 \(block0\): rewrite "conv1 into the stream" has no function "apply"/;
    expect(() => predict(network, { device: 'cpu-avx2', plan: read })).toThrow(lost);
    expect(() => programText(network, { plan: read })).toThrow(lost);
    expect(() => structuredClone(plan)).toThrow(/could not be cloned/);
  });

  it.each([[{}], ['merge'], [{ name: '' }], [null]])('is refused with the rewrite %j', (rewrite) => {
    const blocks = plan.blocks.map((block) => ({ ...block, rewrite: rewrite as never }));
    expect(() => predict(network, { device: 'cpu-avx2', plan: { ...plan, blocks } })).toThrow(
      /a rewrite without a name; \{ name, apply \} is accepted/,
    );
  });

  it('is refused as a bare function, which has a name and a method apply, but others', () => {
    const blocks = plan.blocks.map((block) => ({ ...block, rewrite: ((steps: unknown) => steps) as never }));
    expect(() => predict(network, { device: 'cpu-avx2', plan: { ...plan, blocks } })).toThrow(
      /block 0 \(block0\): the rewrite is a function; \{ name, apply \} is accepted/,
    );
  });

  it('is refused by the published formulas, which know nothing of it', () => {
    expect(() => predict(network, { device: 'v100', plan, model: 'published' })).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    );
    expect(() => predict(network, { device: 'v100', plan, model: 'published' })).toThrow(
      /rewrite "conv1 into the stream" of block "block0".*cost model 'fovea' is accepted/,
    );
  });
});
