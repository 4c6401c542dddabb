import { getStrategy, predict, programText, type Strategy } from '@fovea/engine';
import {
  cellOrder,
  mergeSteps,
  type Operation,
  orderCells,
  type ProgramMap,
  type Rewrite,
  type Step,
} from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { denseFirst, rewritten } from '../support/rewrites.js';
import { smallNetwork } from '../support/small-network.js';

const network = smallNetwork();

describe('what a rewrite answers is refused', () => {
  /** Changes the first operation of a kind. */
  const changing =
    <Kind extends Operation['kind']>(
      kind: Kind,
      change: (operation: Extract<Operation, { kind: Kind }>) => unknown,
    ): Rewrite['apply'] =>
    (steps) => {
      let done = false;
      return steps.map((step) => ({
        ...step,
        operations: step.operations.map((operation) => {
          if (done || operation.kind !== kind) return operation;
          done = true;
          return change(operation as Extract<Operation, { kind: Kind }>) as Operation;
        }),
      }));
    };
  const at = (steps: readonly Step[], kind: Operation['kind']) =>
    steps.findIndex(({ operations }) => operations.some((operation) => operation.kind === kind));
  const answering = (answer: unknown) => () => answer as Step[];
  const otherMap: ProgramMap = {
    ...{ id: 0, shape: [1, 1, 1, 1], dtype: 'f32' },
    layout: { kind: 'map' },
  };

  it.each<[string, Rewrite['apply'], RegExp, (string | Strategy)?]>([
    ['nothing', answering(undefined), /answered with undefined; a list of steps is accepted/],
    ['a text', answering('steps'), /answered with "steps"/],
    ['a promise', (async (steps: Step[]) => steps) as never, /cannot be async/],
    [
      'a generator',
      function* () {
        for (;;) yield 1;
      } as never,
      /answered with another object; a list of steps/,
    ],
    ['too much', answering(Array(1e9)), /1000000000 steps; at most 256/],
    ['holes', answering(Array(3)), /step 0: undefined; a step with owner and operations/],
    [
      'an exception',
      () => {
        throw new Error('out of ideas');
      },
      /failed: out of ideas/,
    ],
    ['a step that is not there', (steps) => mergeSteps(steps, undefined), /failed: no step; one of the list/],
    [
      'steps without operations',
      (steps) => [{ ...steps[0]!, operations: [] }],
      /step 0: operations a list of 0/,
    ],
    ['steps of nobody', ([step]) => [{ ...step!, owner: { node: 99, group: 0 } }], /owner another object/],
    [
      'an unknown field of a step',
      ([step]) => [{ ...step!, bands: 3 } as never],
      /a field "bands"; owner, op/,
    ],
    [
      'an unknown operation',
      changing('convolve', (operation) => ({ ...operation, kind: 'convolution' })),
      /step \d+: an operation of kind "convolution"; convolve, add, .* are accepted in a block/,
    ],
    [
      'an operation of no block',
      changing('convolve', ({ source, destination }) => ({ kind: 'global-pool', source, destination })),
      /of kind "global-pool"/,
    ],
    [
      'an unknown field',
      changing('convolve', (operation) => ({ ...operation, bandPixels: 3 })),
      /convolve with a field "bandPixels"; convolution, source, .* are accepted/,
    ],
    [
      'a missing field',
      changing('convolve', ({ others, ...operation }) => operation),
      /convolve: others is undefined; true or false is accepted/,
    ],
    [
      "another program's map",
      changing('convolve', (operation) => ({ ...operation, source: otherMap })),
      /source is number 0 of another program; a map of the steps/,
    ],
    [
      'a copy of a region',
      changing('scatter-add', (operation) => ({ ...operation, region: { ...operation.region } })),
      /region is number \d of another program/,
      'lasnet',
    ],
    [
      "another block's convolution",
      changing('convolve', (operation) => ({ ...operation, convolution: { ...operation.convolution } })),
      /convolution is "block0.projection"; one of the block's own convolutions/,
    ],
    [
      'an unknown activation',
      changing('convolve', (operation) => ({ ...operation, activation: 'tanh' })),
      /activation is "tanh"; the name of an activation/,
    ],
    ['bands of no stream', ([step]) => [{ ...step!, bandPixels: 7 }], /bands of 7 pixels; a stream may have/],
    [
      'values read before they are written',
      (steps) => steps.filter((_, i) => i !== at(steps, 'gather')),
      /step \d+, .*convolve block0.conv2.*: map \d+ holds no value here/,
    ],
    [
      'a mask used before it is indexed',
      (steps) =>
        [...steps].sort(
          (a, b) => Number(a.operations[0]!.kind === 'index') - Number(b.operations[0]!.kind === 'index'),
        ),
      /region \d+ is used before mask \d+ is indexed/,
    ],
    [
      'a layout that cannot be read so',
      changing('scatter', ({ source, destination }) => ({
        ...{ kind: 'add', a: source, destination, activation: 'none' },
      })),
      /map \d+ is packed, not a whole map/,
    ],
    [
      'more pixels than are there',
      changing('gather', ({ source }) => ({
        kind: 'add',
        a: source,
        destination: source,
        activation: 'none',
      })),
      /holds values at region \d+ only, and more is read/,
    ],
    [
      'streams of what does not stream',
      (steps) => mergeSteps(steps, steps[0]!, steps[1]!),
      /behind a pool, one convolution that reads the same map streams/,
    ],
    [
      'another activation',
      changing('convolve', (operation) => ({ ...operation, activation: 'sigmoid' })),
      /the block's output, would hold .*sigmoid\(projection\(%\d+\)\).* instead of/,
    ],
    [
      'a branch that is not added',
      (steps) => steps.filter((_, i) => i !== at(steps, 'add')),
      /the block's output, would hold projection\(%\d+\) instead of \[relu\(\(conv3/,
    ],
    [
      'a mask that nothing lists',
      (steps) => steps.slice(0, at(steps, 'index')),
      /mask 0 is decided .* instead of decided .*, indexed/,
    ],
    [
      'pixels outside the mask that go without their activation',
      (steps) => steps.filter((_, i) => i !== at(steps, 'activate-others')),
      /the block's output, would hold \[relu.* at @0, projection\(%\d+\) elsewhere\] instead of/,
      denseFirst,
    ],
    [
      'a map that nothing uses',
      (steps, { map }) => {
        map([1, 2, 3, 4]);
        return steps;
      },
      /map \d+ was made, but no step uses it/,
    ],
    [
      'a map of no size',
      (_, { map }) => [map([1, 0, 1, 1])] as never,
      /a map of \[1,0,1,1\]; \[N, H, W, C\]/,
    ],
    [
      'an order of cells that names one twice',
      (steps) => orderCells(steps, (rows, columns) => Array(rows * columns).fill(0)),
      /step \d+, index mask 0, cells in the order 0 0.*: an order of cells with 0 twice; each of 6 x 5 cells/,
    ],
    [
      'an order of other cells',
      (steps) => orderCells(steps, (rows, columns) => cellOrder('rows', rows, columns + 1)),
      /an order of cells with 30; each of 6 x 5 cells is accepted once, from 0 to 29/,
    ],
    [
      'an order of some cells',
      (steps) => orderCells(steps, () => [5, 2]),
      /an order of 2 cells; each of 6 x 5 cells/,
    ],
    [
      'an order that is no list of cells',
      (steps) => orderCells(steps, () => 'rows' as never),
      /index: order is "rows"; a list with the number of each cell once is accepted/,
    ],
    [
      'another order of cells in a stream that reads around them',
      changing('index', (operation) => ({ ...operation, order: cellOrder('morton', 6, 5) })),
      /block0.conv2 goes through cells in an order of their own, and would read around them what is not there yet/,
      'streamed',
    ],
    [
      'a mask that is indexed twice',
      (steps) => steps.flatMap((step) => (step.operations[0]!.kind === 'index' ? [step, step] : [step])),
      /mask 0 is indexed twice/,
    ],
    ['a map of all memory', (_, { map }) => [map([1, 1e5, 1e5, 1])] as never, /fewer than 2\^31 values/],
  ])('when it is %s', (_, apply, message, base = 'unfused') => {
    const first = rewritten('mine', apply, base);
    const strategy: Strategy = {
      ...first,
      plan: (context) =>
        context.block.index === 0 ? first.plan(context) : getStrategy('unfused').plan(context),
    };
    const asked = () => programText(network, { strategy, masker: 'learned' });
    expect(asked).toThrow(message);
    expect(asked).toThrow(/^rewrite "mine" of block "block0"/);
    expect(asked).toThrow(expect.objectContaining({ name: 'FoveaError', code: 'bad-argument' }));
    expect(() => predict(network, { device: 'cpu-avx2', strategy })).toThrow(message);
  });
});
