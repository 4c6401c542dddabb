import { blocksOf, getStrategy, makePlan, type Network, type Strategy } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { learnedMasker } from '../../../engine/src/mask/learned.js';
import { builtMobileNetV2 } from '../../../engine/src/network/built/mobilenet.js';
import { builtResNet } from '../../../engine/src/network/built/resnet.js';
import { lowerNetwork } from '../../../engine/src/plan/lower.js';
import { decisionOf } from '../../../engine/src/primitives/decision.js';
import { printProgram } from '../../../engine/src/program/print.js';
import type { Operation, Program, Step } from '../../../engine/src/program/program.js';
import { verifyProgram } from '../../../engine/src/program/verify.js';
import { convNext } from '../support/convnext.js';
import { withJoins } from '../support/joined-network.js';
import { smallNetwork } from '../support/small-network.js';

function lowered(network: Network, strategy: string | Strategy, granularity = 4): Program {
  const { height, width, channels } = network.inputShape;
  const plan = makePlan(network, { strategy, granularity });
  const decisions = blocksOf(network).map((block) => decisionOf(block, learnedMasker()));
  return lowerNetwork(network, plan, [1, height, width, channels], decisions, new Map()).program;
}

const withSteps = (program: Program, steps: readonly Step[]): Program => ({ ...program, steps });
const without = (program: Program, ...kinds: Operation['kind'][]) =>
  withSteps(
    program,
    program.steps.filter(({ operations }) => !operations.some(({ kind }) => kinds.includes(kind))),
  );
/** The program with its first operation of a kind changed. */
function changed<Kind extends Operation['kind']>(
  program: Program,
  kind: Kind,
  change: (operation: Extract<Operation, { kind: Kind }>) => Operation,
): Program {
  let done = false;
  return withSteps(
    program,
    program.steps.map((step) => ({
      ...step,
      operations: step.operations.map((operation) => {
        if (done || operation.kind !== kind) return operation;
        done = true;
        return change(operation as Extract<Operation, { kind: Kind }>);
      }),
    })),
  );
}

describe('the verifier of programs', () => {
  const network = smallNetwork({ excite: true });
  for (const strategy of ['dense', 'unfused', 'lasnet', 'streamed']) {
    it(`takes what ${strategy} lowers to, for small and real networks`, () => {
      for (const taken of [
        network,
        smallNetwork({ kind: 'basic' }),
        smallNetwork({ kind: 'inverted' }),
        builtResNet({ depth: 50, maskers: { granularity: [8, 4, 7, 1] } }),
      ])
        expect(verifyProgram(lowered(taken, strategy)).steps.length).toBeGreaterThan(3);
    });
  }

  it('takes normalised convolutions, which add nothing, with scale and shift for their channels', () => {
    const normalised = lowered(convNext(), 'streamed');
    expect(verifyProgram(normalised).steps.length).toBeGreaterThan(3);
    expect(printProgram(normalised)).toMatch(/convolve stages.0.0.dw .* normalised/);
    const adding = changed(normalised, 'convolve', (operation) => ({
      ...operation,
      residual: operation.source,
    }));
    expect(() => verifyProgram(adding)).toThrow(/stem is normalised, and adds nothing/);
    const short = changed(normalised, 'convolve', (operation) => {
      const { convolution } = operation;
      const normalisation = { ...convolution.normalisation!, shift: new Float32Array(3) };
      return { ...operation, convolution: { ...convolution, normalisation } };
    });
    expect(() => verifyProgram(short)).toThrow(/stem has no scale and shift for its channels/);
  });

  it('refuses an operation over maps of two types', () => {
    const program = lowered(network, 'unfused');
    const maps = program.maps.map((map) => ({ ...map }));
    const at = (map: { readonly id: number }) => maps[map.id]!;
    const first = program.steps[0]!.operations[0] as Extract<Operation, { kind: 'convolve' }>;
    expect(first.kind).toBe('convolve');
    maps[first.destination.id] = { ...at(first.destination), dtype: 'f16' as 'f32' };
    const operation = { ...first, source: at(first.source), destination: at(first.destination) };
    const mixed = {
      ...program,
      maps,
      input: at(program.input),
      steps: [{ owner: program.steps[0]!.owner, operations: [operation] }],
    };
    expect(() => verifyProgram(mixed)).toThrow(/f32 and f16; those of one operation have one type/);
  });

  it('refuses a region that is used before its mask is indexed', () => {
    expect(() => verifyProgram(without(lowered(network, 'unfused'), 'index'))).toThrow(
      /before mask 0 is indexed/,
    );
  });

  it('refuses a mask that is indexed before it is decided', () => {
    expect(() => verifyProgram(without(lowered(network, 'unfused'), 'decide'))).toThrow(
      /mask 0 is not decided yet/,
    );
  });

  it('refuses to read a value that nothing has written', () => {
    expect(() => verifyProgram(without(lowered(network, 'unfused'), 'grid-pool'))).toThrow(
      /holds no value here/,
    );
  });

  it('refuses to read more pixels than were computed', () => {
    const program = lowered(smallNetwork(), 'unfused');
    const whole = changed(program, 'gather', ({ source }) => ({
      ...{ kind: 'add', a: source, destination: source, activation: 'none' },
    }));
    expect(() => verifyProgram(whole)).toThrow(/at region \d+ only, and more is read/);
  });

  it('refuses sizes that do not fit', () => {
    const program = lowered(network, 'streamed');
    const other = program.maps.find(({ shape }) => shape[3] === 3)!;
    expect(() =>
      verifyProgram(changed(program, 'global-pool', (pool) => ({ ...pool, destination: other }))),
    ).toThrow(/a pool keeps images and channels/);
  });

  describe('of joined maps', () => {
    const program = lowered(withJoins(smallNetwork(), 'half-pixel'), 'dense');
    const copies = program.steps.flatMap(({ operations }) =>
      operations.filter((operation) => operation.kind === 'copy-channels'),
    );
    /** The program with the copy at a position changed. */
    const withCopy = (at: number, fields: Partial<Extract<Operation, { kind: 'copy-channels' }>>) =>
      withSteps(
        program,
        program.steps.map((step) => ({
          ...step,
          operations: step.operations.map((operation) =>
            operation === copies[at] ? ({ ...operation, ...fields } as Operation) : operation,
          ),
        })),
      );

    it('takes slices and concatenations, and prints them', () => {
      expect(verifyProgram(program)).toBe(program);
      expect(copies.map(({ from, to }) => [from > 0, to > 0])).toEqual([
        ...[
          [false, false],
          [true, false],
        ],
        ...[
          [false, false],
          [false, true],
          [false, true],
        ],
        ...[
          [true, false],
          [true, false],
        ],
      ]);
      const text = printProgram(program);
      expect(text).toMatch(/= channels 0 to \d+ of %\d+, from \d+ on/);
      expect(text).toMatch(/= resize half-pixel %\d+/);
    });

    it('refuses channels out of order, outside a map, or of another map', () => {
      const { destination, to } = copies[3]!;
      expect(() => verifyProgram(withCopy(3, { to: to + 1 }))).toThrow(
        /holds its first \d+ channels, and is filled/,
      );
      expect(() => verifyProgram(withCopy(3, { from: 1 }))).toThrow(/do not go to/);
      expect(() => verifyProgram(withCopy(4, { count: 10_000 }))).toThrow(/do not go to/);
      expect(() => verifyProgram(withCopy(3, { count: 0 }))).toThrow(/at least one channel/);
      expect(() => verifyProgram(withCopy(3, { source: destination }))).toThrow(
        /written while it is read|channels only/,
      );
      expect(() => verifyProgram(withCopy(3, { source: program.input }))).toThrow(/do not fit/);
      // The last part is missing.
      expect(() => verifyProgram(withCopy(4, { count: 1 }))).toThrow(/channels only/);
    });

    it('refuses products of maps that do not fit, and prints others', () => {
      expect(printProgram(program)).toMatch(/= multiply %\d+ %\d+/);
      const other = program.maps.find(({ shape }) => shape[3] === 3)!;
      for (const fields of [{ a: other }, { b: other }, { destination: other }])
        expect(() => verifyProgram(changed(program, 'multiply', (one) => ({ ...one, ...fields })))).toThrow(
          /do not fit/,
        );
    });

    it('refuses normalised maps whose groups or sizes do not fit, and prints others', () => {
      expect(printProgram(program)).toMatch(/= normalise by moments of \d groups? %\d+/);
      expect(printProgram(program)).toMatch(/= normalise by response of 1 group %\d+/);
      const other = program.maps.find(({ shape }) => shape[3] === 3)!;
      for (const [fields, why] of [
        [{ groups: 1000 }, /1000 groups/],
        [{ by: 'response', groups: 2 } as const, /one group/],
        [{ epsilon: 0 }, /epsilon 0/],
        [{ destination: other }, /shape|size|fit/],
      ] as const)
        expect(() =>
          verifyProgram(changed(program, 'normalise-map', (one) => ({ ...one, ...fields }))),
        ).toThrow(why);
    });

    it('refuses a map that does not grow by whole factors', () => {
      const smaller = program.maps.find(({ shape }, id) => id > 0 && shape[1] === 1)!;
      const into = (destination: Program['input']) =>
        changed(program, 'resize', (resize) => ({ ...resize, destination }));
      for (const map of [smaller, program.input])
        expect(() => verifyProgram(into(map))).toThrow(/larger by whole factors/);
    });
  });

  it('refuses to read what a stream leaves of its intermediates', () => {
    const program = lowered(smallNetwork(), 'streamed');
    const at = program.steps.findIndex(({ operations }) => operations.length > 2);
    const [first] = program.steps[at]!.operations;
    if (first?.kind !== 'convolve') throw new Error('not the stream that was expected');
    const reader: Step = {
      owner: program.steps[at]!.owner,
      operations: [{ kind: 'add', a: first.destination, destination: first.destination, activation: 'none' }],
    };
    expect(() => verifyProgram(withSteps(program, program.steps.toSpliced(at + 1, 0, reader)))).toThrow(
      /holds no value here/,
    );
  });

  it('refuses streams whose operations do not read one another', () => {
    const program = lowered(smallNetwork(), 'unfused');
    const { owner } = program.steps[0]!;
    const merged: Step = {
      owner,
      operations: program.steps.slice(1, 3).flatMap(({ operations }) => operations),
    };
    expect(() => verifyProgram(withSteps(program, program.steps.toSpliced(1, 2, merged)))).toThrow(/stream/);
  });
});

describe('a program as text', () => {
  it('names maps, regions, streams and passes', () => {
    const network = smallNetwork();
    const text = printProgram(lowered(network, 'streamed'), (node) => network.nodes[node]!.name);
    expect(text).toMatch(/^@0 = active pixels of mask 0 on 13 x 11$/m);
    expect(text).toMatch(/^@\d+ = what .* reads for @\d+ of mask \d+ on \d+ x \d+$/m);
    expect(text).toMatch(/stream \{ {2}; block0 pass \d/);
    expect(text).toMatch(/%\d+ \[.*\] = convolve \S+ %\d+ @0 \+ %\d+ relu/);
    expect(text).toMatch(/mask 1 = decide %\d+ learned/);
    expect(text).toMatch(/^output %\d+/m);
  });

  it('shows the whole branch of a block in one stream, also of one that has no shortcut to change in place', () => {
    const network = builtMobileNetV2({ classes: 10 });
    const program = lowered(network, 'streamed');
    for (const [position, node] of network.nodes.entries()) {
      if (node.kind !== 'block') continue;
      const streams = program.steps.filter(
        ({ owner, operations }) => owner.node === position && operations.length > 1,
      );
      const convolutions = streams[0]?.operations.filter(({ kind }) => kind === 'convolve').length;
      expect([node.name, streams.length, convolutions]).toEqual([node.name, 1, node.block.branch.length]);
    }
  });

  it('has every strategy of its own', () => {
    const network = smallNetwork();
    const texts = ['dense', 'unfused', 'lasnet', 'streamed'].map((name) =>
      printProgram(lowered(network, getStrategy(name))),
    );
    expect(new Set(texts).size).toBe(4);
  });
});
