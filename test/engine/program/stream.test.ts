import { readFileSync } from 'node:fs';
import { blocksOf, makePlan, type Network, Random } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { learnedMasker } from '../../../engine/src/mask/learned.js';
import { lowerNetwork } from '../../../engine/src/plan/lower.js';
import { decisionOf } from '../../../engine/src/primitives/decision.js';
import type { Operation, ProgramMap, Step } from '../../../engine/src/program/program.js';
import { MOST_STREAMED, readsAhead, streamProblem } from '../../../engine/src/program/stream.js';
import { verifyProgram } from '../../../engine/src/program/verify.js';
import { randomConvolution, smallNetwork } from '../support/small-network.js';

type Convolve = Extract<Operation, { kind: 'convolve' }>;

function lowered(network: Network) {
  const { height, width, channels } = network.inputShape;
  const decisions = blocksOf(network).map((block) => decisionOf(block, learnedMasker()));
  const plan = makePlan(network, { strategy: 'streamed', granularity: 2 });
  return lowerNetwork(network, plan, [1, height, width, channels], decisions, new Map()).program;
}

/** An identity block of as many channels inside as outside, whose stream writes over what it reads. */
const program = lowered(smallNetwork({ channels: 8, width: 8 }));
const at = program.steps.findIndex(
  ({ owner, operations }) =>
    owner.node === 2 && operations.filter(({ kind }) => kind === 'convolve').length === 3,
);
const stream = program.steps[at]!;
const [conv1, conv2, conv3] = stream.operations as [Convolve, Convolve, Convolve];

const verified = (operations: readonly Operation[]) => () =>
  verifyProgram({
    ...program,
    steps: program.steps.map((step, i): Step => (i === at ? { ...step, operations } : step)),
  });

describe('a stream', () => {
  it('of a whole branch may write over what it reads first', () => {
    expect(conv1.source).toBe(conv3.destination);
    expect(streamProblem([conv1, conv2, conv3])).toBeUndefined();
    expect(verified([conv1, conv2, conv3])).not.toThrow(/written over/);
  });

  it('may not, unless rows are read before they are written', () => {
    const alone = { ...conv2, source: conv1.source };
    const { convolution } = conv2;
    expect(readsAhead([convolution])).toBe(false);
    // Two of 3x3 in a chain: the second is as many rows behind as the first reaches up.
    expect(readsAhead([convolution, convolution])).toBe(true);
    const low = { ...convolution, padding: [2, 1, 0, 1] as const };
    expect(readsAhead([convolution, low])).toBe(false);
    const below = { ...conv2, convolution: { ...low, name: 'low' } };
    expect(streamProblem([{ ...alone, destination: conv1.destination }, below, conv3])).toMatch(
      /map \d+ is written over while block1.conv2 still reads rows of it/,
    );
    const strided = { ...convolution, stride: [2, 2] as const };
    expect(readsAhead([strided, convolution, convolution])).toBe(false);
  });

  it.each<[string, () => readonly Operation[], RegExp]>([
    [
      'writes over what lies between',
      () => [conv1, conv2, { ...conv3, destination: conv1.destination }],
      /two operations of the stream write map \d+/,
    ],
    [
      'writes where the first one reads, not at its end',
      () => [conv1, { ...conv2, destination: conv1.source }, { ...conv3, source: conv1.source }],
      /two operations of the stream write map|is written over while block1.conv1 still reads/,
    ],
    [
      'adds what lies between, of which only some rows are kept',
      () => [conv1, conv2, { ...conv3, residual: conv1.destination }],
      /block1.conv3 adds map \d+ while another operation of the stream writes it/,
    ],
    [
      'adds early what is written at the end',
      () => [conv1, { ...conv2, residual: conv3.destination }, conv3],
      /block1.conv2 adds map \d+ while another/,
    ],
    ['leaves one out', () => [conv1, conv3], /each reads what the one before it writes/],
    [
      'holds one convolution too many',
      () => [conv1, ...Array.from({ length: MOST_STREAMED - 1 }, () => conv2), conv3],
      new RegExp(`at most ${MOST_STREAMED} convolutions stream`),
    ],
    [
      'computes outside a region',
      () => [conv1, conv2, { ...conv3, others: true }],
      /block1.conv3 is computed outside a region/,
    ],
    [
      'reads whole rows of few channels',
      () => [
        {
          ...conv1,
          convolution: randomConvolution(new Random(1), 'few', 3, 8, { kernel: 3 }),
        },
        conv2,
      ],
      /few reads whole rows of its few channels from a copy/,
    ],
    [
      'pools to a map that it reads',
      () => {
        const pool = stream.operations.at(-1)!;
        if (pool.kind !== 'grid-pool') throw new Error('the stream that was expected pools');
        return [conv1, conv2, conv3, { ...pool, pooled: conv1.destination }];
      },
      /map \d+ is pooled to while another operation of the stream uses it/,
    ],
    [
      'pools something else',
      () => {
        const pool = stream.operations.at(-1) as Extract<Operation, { kind: 'grid-pool' }>;
        return [conv1, conv2, conv3, { ...pool, source: conv1.destination }];
      },
      /reads what is written before it/,
    ],
    ['indexes', () => [conv1, { kind: 'index', mask: program.masks[0]! }], /operations stream that are/],
  ])('is refused that %s', (_, operations, message) => {
    expect(streamProblem(operations())).toMatch(message);
    expect(verified(operations())).toThrow(message);
  });
});

describe('the verifier', () => {
  const copy = <Thing extends object>(thing: Thing): Thing => ({ ...thing });
  it.each<[string, () => readonly Operation[], RegExp]>([
    ['a copy of a map', () => [{ ...conv1, source: copy(conv1.source) }], /map \d+ is not the program's/],
    [
      'a copy of a region',
      () => [{ ...conv1, region: copy(conv1.region!) }],
      /region \d+ is not the program's/,
    ],
    [
      'a copy of a mask',
      () => [{ kind: 'index', mask: copy(program.masks[0]!) }],
      /mask 0 is not the program's/,
    ],
    [
      'a convolution onto its own source',
      () => [{ ...conv1, destination: conv1.source }],
      /map \d+ is written while it is read|block1/,
    ],
    [
      'an addition of packed rows',
      () => {
        const packed = program.maps.find(({ layout }) => layout.kind === 'packed') as ProgramMap;
        return [{ kind: 'scatter', source: packed, destination: packed }];
      },
      /map \d+ is packed, not a whole map|holds no value/,
    ],
  ])('refuses %s', (_, operations, message) => {
    expect(verified(operations())).toThrow(message);
  });
});

it('the native kernels have room for as many convolutions as a stream may hold', () => {
  const limits = readFileSync(new URL('../../../engine/native/infer/limits.h', import.meta.url), 'utf8');
  expect(limits).toContain(`most_streamed = ${MOST_STREAMED};`);
});
