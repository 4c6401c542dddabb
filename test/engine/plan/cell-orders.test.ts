import { builtNetwork, predict, programText, randomMasker, run } from '@fovea/engine';
import { cellOrder, nativeBackendWith, orderCells } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { listCells, listPixels } from '../../../engine/src/backends/listed-pixels.js';
import { backends } from '../support/backends.js';
import { calibratedDevice } from '../support/calibrated-device.js';
import { everyMasker } from '../support/every-masker.js';
import { ordered, rewritten, shuffledCells } from '../support/rewrites.js';
import { randomImages, relativeError, smallNetwork } from '../support/small-network.js';

const native = it.skipIf(backends.find(({ name }) => name === 'native')?.missing !== undefined);

describe('orders of the cells of a grid', () => {
  it('go by rows, by columns, to and fro, and in squares of squares', () => {
    expect(cellOrder('rows', 2, 3)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(cellOrder('columns', 2, 3)).toEqual([0, 3, 1, 4, 2, 5]);
    expect(cellOrder('snake', 3, 3)).toEqual([0, 1, 2, 5, 4, 3, 6, 7, 8]);
    expect(cellOrder('morton', 4, 4)).toEqual([0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]);
    expect(cellOrder('morton', 3, 2)).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('are refused for what is no order or no grid', () => {
    expect(() => cellOrder('spiral' as never, 2, 2)).toThrow(/cellOrder: order "spiral"; .*morton/);
    expect(() => cellOrder('rows', 2 ** 20, 2 ** 20)).toThrow(/1048576 x 1048576 cells; at most 16777216/);
    expect(() => cellOrder('rows', 0, 2)).toThrow(/cellOrder: rows 0; an integer from 1/);
    expect(() => orderCells('steps' as never, shuffledCells)).toThrow(/orderCells: steps "steps"/);
    expect(() => orderCells([], 'rows' as never)).toThrow(/orderCells: order "rows"; a function/);
  });

  it('list the pixels of active cells, image by image, those of a cell in raster order', () => {
    const mask = { block: 0, granularity: 2, batch: 2, rows: 2, columns: 2, height: 3, width: 4 };
    const cells = Uint8Array.of(1, 0, 1, 1, 0, 1, 0, 0);
    expect([...listCells({ ...mask, cells }, [3, 0, 1, 2])]).toEqual([
      10, 11, 0, 1, 4, 5, 8, 9, 14, 15, 18, 19,
    ]);
    expect([...listPixels(Uint8Array.of(0, 1, 1, 0, 1))]).toEqual([1, 2, 4]);
  });
});

describe('a rewrite that orders cells', () => {
  const network = smallNetwork();

  it('shows in the program, and cuts streams that would read what is not there yet', () => {
    const cut = programText(network, { strategy: ordered('streamed', shuffledCells) });
    expect(cut).toMatch(/index mask 0, cells in the order( \d+){8} …/);
    expect(cut).toMatch(
      /\d+: %\d+ .*block0.conv1 .*\n\d+: stream {.*\n.*block0.conv2 .*\n.*block0.conv3 .*\n.*grid-pool/,
    );
    const whole = programText(network, { strategy: 'streamed' });
    expect(whole).toMatch(/stream {.*\n.*block0.conv1 .*\n.*block0.conv2 /);
    expect(cut.match(/convolve/g)).toHaveLength(whole.match(/convolve/g)!.length);
  });

  it('is kept as it was answered: a list that is changed later changes nothing', () => {
    let last: number[] = [];
    const keeping = rewritten('keeping', (steps) =>
      orderCells(steps, (rows, columns) => {
        last.fill(0);
        last = cellOrder('columns', rows, columns);
        return last;
      }),
    );
    expect(programText(network, { strategy: keeping })).toContain(
      'index mask 0, cells in the order 0 5 10 15 20 25 1 6 …',
    );
  });

  native(
    'ends runs of depthwise convolutions: what is adjacent in a row is no longer adjacent in the list',
    () => {
      const mobile = builtNetwork('mobilenet_v2');
      const device = calibratedDevice((name) => (name === 'depthwiseRuns' ? 1e-6 : 0));
      const byRows = (rows: number, columns: number) => cellOrder('rows', rows, columns);
      // The third block follows a mask.
      const ms = (strategy: Parameters<typeof ordered>[0]) =>
        predict(mobile, { device, strategy, granularity: 2, rate: 0.5 }).blocks[2]!.totalMs;
      // At a rate of 1/2 a run begins at every fourth cell of a row, of cells by themselves at every second one.
      const ratio = ms(ordered('streamed', byRows)) / ms('streamed');
      expect(ratio).toBeGreaterThan(1.5);
      expect(ratio).toBeLessThan(2.1);
    },
  );
});

const networks = {
  bottleneck: {},
  basic: { kind: 'basic' },
  inverted: { kind: 'inverted' },
  single: { kind: 'single' },
  'excited by means': { excite: true },
  'excited in places': { excite: true, attention: 'pixels', exciteAfter: 2 },
} as const;

describe.each(backends)('cells in any order: $name', ({ name: backend, missing }) => {
  const there = it.skipIf(missing !== undefined);
  const isNative = backend === 'native';
  for (const [kind, made] of Object.entries(networks)) {
    for (const [masks, options] of everyMasker) {
      there(`${kind}, ${masks} masks, cells of odd sizes, a batch`, { timeout: 120_000 }, async () => {
        const sizes = [
          { height: 13, mapWidth: 11 },
          { height: 31, mapWidth: 18 },
        ];
        for (const size of isNative ? sizes : sizes.slice(0, 1)) {
          const network = smallNetwork({ ...made, ...size, channels: 20, width: 20 });
          const images = randomImages(network, 2);
          for (const granularity of isNative ? [1, 3, 4] : [3]) {
            const plain = await run(network, images, {
              ...{ ...options, granularity, backend: 'reference' },
              strategy: 'unfused',
            });
            for (const base of ['unfused', 'lasnet', 'streamed']) {
              for (const threads of isNative ? [1, 3] : [1]) {
                for (const bandPixels of isNative ? [0, 7] : [0]) {
                  const { output, masks: decided } = await run(network, images, {
                    ...{ ...options, granularity, threads },
                    strategy: ordered(base, shuffledCells),
                    backend: bandPixels > 0 ? nativeBackendWith({ bandPixels }) : backend,
                  });
                  expect(decided.map(({ cells }) => [...cells])).toEqual(
                    plain.masks.map(({ cells }) => [...cells]),
                  );
                  expect(relativeError(output.data, plain.output.data)).toBeLessThan(1e-4);
                }
              }
            }
          }
        }
      });
    }
  }
});

describe('cells in any order, at the sizes that people use', () => {
  native.each(['resnet50', 'resnet18', 'mobilenet_v2', 'regnet_y_800mf'])(
    '%s',
    { timeout: 120_000 },
    async (name) => {
      const network = builtNetwork(name);
      const images = randomImages(network, 1);
      for (const granularity of [2, 7]) {
        const options = { masker: randomMasker(0.4, 1), granularity };
        const plain = await run(network, images, { ...options, strategy: 'unfused', threads: 2 });
        for (const threads of [1, 2]) {
          for (const base of ['lasnet', 'streamed']) {
            const strategy = ordered(base, (rows, columns) => cellOrder('morton', rows, columns));
            const { output } = await run(network, images, { ...options, strategy, threads });
            expect(relativeError(output.data, plain.output.data)).toBeLessThan(1e-4);
          }
        }
      }
    },
  );
});
