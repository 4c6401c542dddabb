import { customMasker, type Network, type NetworkRunOptions, Random, run } from '@fovea/engine';
import { nativeBackend } from '@fovea/engine/backend';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { inferAddon } from '../../../../engine/src/backends/native/addon.js';
import * as encoding from '../../../../engine/src/backends/native/encode.js';
import { INSTRUCTION_WORDS } from '../../../../engine/src/backends/native/encoded-part.js';
import { OperandWriter } from '../../../../engine/src/backends/native/operands.js';
import { builtMobileNetV2 } from '../../../../engine/src/network/built/mobilenet.js';
import { liveRanges } from '../../../../engine/src/program/accesses.js';
import type { Program } from '../../../../engine/src/program/program.js';
import { withJoins } from '../../support/joined-network.js';
import { randomConvolution, randomImages, smallNetwork } from '../../support/small-network.js';

const native = it.skipIf(nativeBackend.unavailable !== undefined);
const MAP_WORDS = 5;

afterEach(() => vi.restoreAllMocks());

/** The program that the engine makes for a run, and a way to have changed tables of it checked. */
async function programOf(network: Network, options: NetworkRunOptions) {
  const seen: Program[] = [];
  const addon = inferAddon();
  const encode = vi.spyOn(encoding, 'encodeProgram');
  const accept = vi.spyOn(addon, 'inferProgram');
  await run(network, randomImages(network, 1), { backend: 'native', ...options });
  for (const [program] of encode.mock.calls) seen.push(program);
  const [handle, ...tables] = accept.mock.lastCall!;
  vi.restoreAllMocks();
  return {
    program: seen.at(-1)!,
    tables,
    /** Undefined when the addon takes the tables, else what it says of them. */
    verdict(changed: typeof tables): string | undefined {
      try {
        addon.inferDropProgram(handle, addon.inferProgram(handle, ...changed));
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    },
  };
}

const copied = <Tables extends readonly (Float64Array | Int32Array)[]>(tables: Tables): Tables =>
  tables.map((table) => table.slice()) as unknown as Tables;

describe('the native checker (skipped where no addon was built)', () => {
  const cases: readonly (readonly [string, Network, NetworkRunOptions])[] = [
    ['streamed', smallNetwork(), { strategy: 'streamed', masker: 'learned' }],
    ['streamed basic blocks', smallNetwork({ kind: 'basic' }), { strategy: 'streamed', masker: 'learned' }],
    [
      'streamed separable convolutions',
      smallNetwork({ kind: 'separable' }),
      { strategy: 'streamed', masker: 'learned' },
    ],
    [
      'lasnet',
      smallNetwork({ excite: true }),
      { strategy: 'lasnet', masker: 'learned', excitation: 'active' },
    ],
    ['unfused', smallNetwork(), { strategy: 'unfused', masker: 'saliency', rate: 0.5 }],
    [
      'a masker in JavaScript',
      smallNetwork(),
      {
        strategy: 'streamed',
        masker: customMasker(({ batch, rows, columns }) => new Uint8Array(batch * rows * columns).fill(1)),
      },
    ],
    ['MobileNetV2', builtMobileNetV2({ classes: 10 }), { strategy: 'streamed', masker: 'saliency' }],
  ];

  for (const [name, network, options] of cases) {
    native(`takes exactly those programs of ${name} in which no two live values share memory`, async () => {
      const { program, tables, verdict } = await programOf(network, options);
      expect(verdict(tables)).toBeUndefined();
      const ranges = liveRanges(program);
      const bufferOf = (id: number) => tables[1][id * MAP_WORDS]!;
      let refused = 0;
      for (const { id } of program.maps) {
        for (let buffer = 0; buffer < tables[0].length; buffer++) {
          if (buffer === bufferOf(id)) continue;
          const changed = copied(tables);
          changed[0].fill(Math.max(...tables[0]));
          changed[1][id * MAP_WORDS] = buffer;
          const mine = ranges[id]!;
          const clash = program.maps.some((other) => {
            const theirs = ranges[other.id]!;
            return (
              other.id !== id &&
              bufferOf(other.id) === buffer &&
              theirs.first <= mine.last &&
              mine.first <= theirs.last
            );
          });
          expect({ map: id, buffer, refused: verdict(changed) !== undefined }).toEqual({
            map: id,
            buffer,
            refused: clash,
          });
          if (clash) refused++;
        }
      }
      expect(refused).toBeGreaterThan(10);
    });
  }

  native('refuses a pool of the next block in the memory of what its own stream still writes', async () => {
    const { program, tables, verdict } = await programOf(smallNetwork(), {
      strategy: 'streamed',
      masker: 'learned',
    });
    const stream = program.steps.find(
      ({ operations }) => operations.at(-1)?.kind === 'grid-pool' && operations.length === 4,
    )!;
    const [first, , , pool] = stream.operations;
    if (first?.kind !== 'convolve' || pool?.kind !== 'grid-pool')
      throw new Error('not the stream that was expected');
    const changed = copied(tables);
    changed[0].fill(Math.max(...tables[0]));
    changed[1][pool.pooled.id * MAP_WORDS] = tables[1][first.destination.id * MAP_WORDS]!;
    expect(verdict(changed)).toMatch(/share memory while both are in use/);
  });

  native('refuses to read what a stream leaves of its intermediates', async () => {
    const { program, tables, verdict } = await programOf(smallNetwork(), {
      strategy: 'streamed',
      masker: 'learned',
    });
    const stream = program.steps.find(({ operations }) => operations.length >= 3)!;
    const [first] = stream.operations;
    if (first?.kind !== 'convolve') throw new Error('not the stream that was expected');
    const changed = copied(tables);
    changed[6] = Int32Array.from([
      ...tables[6].slice(0, -3),
      tables[5].length / INSTRUCTION_WORDS,
      first.destination.id,
      0,
    ]);
    expect(verdict(changed)).toMatch(/does not hold its value/);
  });

  native('refuses to write over channels that were copied before others', async () => {
    const { program, tables, verdict } = await programOf(withJoins(smallNetwork(), 'nearest'), {
      strategy: 'dense',
    });
    const copies = program.steps.flatMap(({ operations }) =>
      operations.filter((operation) => operation.kind === 'copy-channels'),
    );
    const [first, second] = copies.filter(({ destination }) => destination === copies[2]!.destination);
    const changed = copied(tables);
    changed[0].fill(Math.max(...tables[0]));
    // What is read for the second part lies where the first was written.
    changed[1][second!.source.id * MAP_WORDS] = tables[1][first!.destination.id * MAP_WORDS]!;
    expect(verdict(changed)).toMatch(/must not share a buffer/);
    // Without the first part there is nothing that the second adds to.
    const lost = copied(tables);
    const words = [
      new OperandWriter(1).begin('copy-channels').words[0],
      first!.source.id,
      first!.destination.id,
    ];
    const at = tables[5].findIndex(
      (_, i) => i % INSTRUCTION_WORDS === 0 && words.every((word, k) => tables[5][i + k] === word),
    );
    // The first channel that is written.
    lost[5][at + 5] = 1;
    expect(verdict(lost)).toMatch(/does not hold its value/);
  });

  native('refuses JavaScript in the middle of a stream', async () => {
    const { tables, verdict } = await programOf(smallNetwork(), { strategy: 'streamed', masker: 'learned' });
    const [stream] = new OperandWriter(1).begin('stream').words;
    let inside = 0;
    for (let at = 0; at < tables[5].length; at += INSTRUCTION_WORDS)
      if (tables[5][at] === stream) inside = at / INSTRUCTION_WORDS + 2;
    const changed = copied(tables);
    changed[6] = Int32Array.from([...tables[6].slice(0, -3), inside, 0, 0, ...tables[6].slice(-3)]);
    expect(verdict(changed)).toMatch(/inside a stream/);
  });

  native('refuses a mask that nobody has decided when it is indexed', async () => {
    const { tables, verdict } = await programOf(smallNetwork(), { strategy: 'streamed', masker: 'random' });
    const DECIDES = 2;
    const kept: number[] = [];
    for (let i = 0; i < tables[6].length; i += 3)
      if (tables[6][i + 2] !== DECIDES) kept.push(...tables[6].slice(i, i + 3));
    expect(kept.length).toBeLessThan(tables[6].length);
    const changed = copied(tables);
    changed[6] = Int32Array.from(kept);
    expect(verdict(changed)).toMatch(/mask 0 is indexed before it is decided/);
  });

  native('does not stream a depthwise first convolution over the map that the block adds to', async () => {
    const base = smallNetwork({ kind: 'inverted', strides: [1, 1, 1], height: 40, mapWidth: 40 });
    const nodes = base.nodes.map((node) => {
      if (node.kind !== 'block') return node;
      const { block } = node;
      const { inChannels } = block.branch[0]!;
      const random = new Random(7, block.index);
      const branch = [
        randomConvolution(random, `${block.name}.dw`, inChannels, inChannels, {
          kernel: 3,
          groups: inChannels,
          activation: 'relu6',
        }),
        randomConvolution(random, `${block.name}.pw`, inChannels, block.branch.at(-1)!.outChannels),
      ];
      return { ...node, block: { ...block, branch } };
    });
    const network = { ...base, nodes };
    const { program } = await programOf(network, { strategy: 'streamed', masker: 'saliency', rate: 0.5 });
    for (const { operations } of program.steps) {
      const [first] = operations;
      const last = operations.filter(({ kind }) => kind === 'convolve').at(-1);
      if (operations.length < 2 || first?.kind !== 'convolve' || last?.kind !== 'convolve') continue;
      expect(last.destination).not.toBe(first.source);
    }
  });
});
