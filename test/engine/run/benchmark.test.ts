import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Network, type RunResult, Tensor } from '@fovea/engine';
import { type Backend, getBackend, registerBackend } from '@fovea/engine/backend';
import { toOnnx } from '@fovea/engine/onnx';
import { benchmark } from '@fovea/engine/predict';
import { afterAll, describe, expect, it } from 'vitest';
import { backends } from '../support/backends.js';
import { randomImages, smallNetwork } from '../support/small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-benchmark-'));
afterAll(() => rmSync(folder, { recursive: true }));

const quick = { runs: 2, threads: 1, granularity: 2 } as const;
const network = smallNetwork();

describe.each(backends)('a benchmark on $name', ({ name: backend, missing }) => {
  it.skipIf(missing !== undefined).each(['learned', 'saliency', 'random'] as const)(
    'times %s masks and says how well what it timed agrees with a plain run',
    async (masker) => {
      const rates = masker === 'learned' ? {} : { rates: [1, 0.4] };
      const result = await benchmark(network, { ...quick, ...rates, backend, masker });
      expect(result).toMatchObject({ masker, strategy: 'streamed', batch: 1, threads: 1 });
      expect(result.checkedAgainst).toContain('unfused on ');
      // Nothing is checked against itself.
      expect(result.checkedAgainst).not.toContain(` on ${result.source.split(' ')[0]}`);
      expect(result.rows).toHaveLength(masker === 'learned' ? 1 : 2);
      for (const row of result.rows) {
        expect(row.outputError).toBeLessThan(1e-4);
        expect(row.engineMs.median).toBeGreaterThan(0);
        expect(row.flopsFraction).toBeGreaterThan(0);
        expect(row.rate).toBeGreaterThan(0);
      }
    },
  );
});

describe('a benchmark', () => {
  it('takes learned masks where the network has them, else saliency', async () => {
    expect((await benchmark(network, quick)).masker).toBe('learned');
    const plain = smallNetwork({ learned: false });
    expect((await benchmark(plain, { ...quick, rates: [0.5] })).masker).toBe('saliency');
  });

  it('times the images that it is given, squeeze-and-excitation as asked', async () => {
    const excited = smallNetwork({ excite: true, learned: false });
    const input = randomImages({ ...excited, inputShape: { channels: 3, height: 9, width: 20 } }, 3);
    const left = async (excitation: 'exact' | 'active') =>
      (await benchmark(excited, { ...quick, input, excitation, rates: [0.25] })).rows[0]!.flopsFraction;
    expect(await left('active')).toBeLessThan(await left('exact'));
  });

  it.each([
    [{ masker: 'learned', rates: [0.5] }, /learned masks have rates of their own/],
    [{ masker: 'random', rates: [] }, /no rates/],
    [{ masker: 'random', rates: [2] }, /activation rate 2/],
    [{ runs: 0 }, /runs 0/],
    [{ batch: 2, input: randomImages(network, 1) }, /batch 2: the input given holds 1 images/],
    [{ excitation: 'fast' }, /excitation "fast"/],
  ] as const)('refuses %j', async (options, message) => {
    await expect(benchmark(network, { ...quick, ...(options as object) })).rejects.toThrow(message);
  });
});

/**
 * The reference backend, with the answers of adaptive runs changed.
 * @param checkedRuns how many answers are right once somebody has looked at the cells of a run's masks, as a check does
 */
function withFault(name: string, change: (result: RunResult) => RunResult, checkedRuns?: number): string {
  let left = checkedRuns === undefined ? 0 : Number.POSITIVE_INFINITY;
  const reference = getBackend('reference');
  const faulty: Backend = {
    name,
    open: async (of, shape) => {
      const session = await reference.open(of, shape);
      return {
        run: async (input, options) => {
          const result = await session.run(input, options);
          if (result.masks.length === 0) return result;
          if (left-- <= 0) return change(result);
          const masks = result.masks.map((mask) => ({
            ...mask,
            get cells() {
              left = Math.min(left, checkedRuns!);
              return mask.cells;
            },
          }));
          return { ...result, masks };
        },
        dispose: () => session.dispose(),
      };
    },
  };
  registerBackend(faulty);
  return name;
}

const shifted = ({ output, ...rest }: RunResult): RunResult => ({
  ...rest,
  output: new Tensor(
    output.shape,
    output.data.map((value) => value * 1.01),
  ),
});

describe('a benchmark of wrong answers gives out no number', () => {
  const refusal = (message: RegExp) => ({ code: 'disagreement', message: expect.stringMatching(message) });
  const faulty = (backend: string, of: Network = network) =>
    benchmark(of, { ...quick, masker: 'random', rates: [0.5], backend });

  it('when outputs differ from a plain run', async () => {
    const backend = withFault('off by a hundredth', shifted);
    await expect(faulty(backend)).rejects.toMatchObject(
      refusal(
        /small-bottleneck: streamed on reference .* otherwise than unfused on onnx: 0\.010 of the largest/,
      ),
    );
  });

  it('when a mask differs in one cell', async () => {
    const backend = withFault('one cell', (result) => {
      const masks = result.masks.map((mask) => ({ ...mask, cells: mask.cells.slice() }));
      masks[1]!.cells[0]! ^= 1;
      return { ...result, masks };
    });
    await expect(faulty(backend)).rejects.toMatchObject(
      refusal(/streamed on reference .* 1 of \d+ cells of block 1 \(block1\)/),
    );
  });

  it('when only a later run does', async () => {
    const backend = withFault('later', shifted, 5);
    const runs = { ...quick, masker: 'random', rates: [0.5], backend, runs: 20 } as const;
    await expect(benchmark(network, runs)).rejects.toMatchObject(
      refusal(/streamed at rate 0\.5 answers otherwise from run to run: 0\.010 of the largest/),
    );
  });

  it('when onnxruntime’s dense run computes something else', async () => {
    const other = smallNetwork({ seed: 2 });
    const onnxPath = join(folder, 'other.onnx');
    writeFileSync(onnxPath, toOnnx(other));
    await expect(faulty('reference', { ...network, onnxPath })).rejects.toMatchObject(
      refusal(/small-bottleneck: dense on reference answers otherwise than onnxruntime/),
    );
  });
});
