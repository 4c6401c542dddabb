// @module-tag process
import type { Profile } from '@fovea/engine';
import type { SearchResult } from '@fovea/engine/predict';
import { describe, expect, it } from 'vitest';
import { fovea } from '../run-fovea.js';

async function searched(...options: string[]): Promise<SearchResult> {
  const { code, stdout, stderr } = await fovea(
    'search',
    'resnet18',
    '--device',
    'v100',
    ...options,
    '--json',
  );
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as SearchResult;
}

async function predicted(...options: string[]): Promise<Profile> {
  const { stdout } = await fovea('predict', 'resnet18', '--device', 'v100', ...options, '--json');
  return JSON.parse(stdout) as Profile;
}

describe('fovea search', () => {
  it('finds what fovea predict says of the same plans', async () => {
    const common = ['--batch', '1', '--rate', '0.3'];
    const [found, dense, unfused] = await Promise.all([
      searched(...common, '--granularities', '4', '--strategies', 'unfused'),
      predicted(...common, '--strategy', 'dense'),
      predicted(...common, '--strategy', 'unfused', '--granularity', '4'),
    ]);
    expect(found.denseMs).toBeCloseTo(dense.totalMs, 9);
    found.blocks.forEach(({ best }, i) => {
      const wanted = Math.min(dense.blocks[i]!.totalMs, unfused.blocks[i]!.totalMs);
      expect(best.totalMs, best.strategy).toBeCloseTo(wanted, 9);
    });
    expect(found.totalMs).toBeLessThanOrEqual(Math.min(dense.totalMs, unfused.totalMs) + 1e-9);
  });

  it('takes the rate of each S, and tries no other S', async () => {
    const { blocks } = await searched('--rates', '2=0.4,7=0.5');
    for (const { best } of blocks) {
      if (best.strategy !== 'dense') expect([2, 7]).toContain(best.granularity);
    }
  });

  it('never takes a larger S for the finest within the tolerance than for the fastest', async () => {
    const rates = ['--rates', '1=0.5,2=0.5,4=0.5,8=0.5'];
    const [fastest, finest] = await Promise.all([
      searched(...rates),
      searched(...rates, '--objective', 'finest', '--tolerance', '0.5'),
    ]);
    finest.blocks.forEach(({ best }, i) => {
      const other = fastest.blocks[i]!.best;
      expect(best.totalMs).toBeLessThanOrEqual(1.5 * other.totalMs + 1e-9);
      if (best.strategy !== 'dense' && other.strategy !== 'dense') {
        expect(best.granularity).toBeLessThanOrEqual(other.granularity);
      }
    });
  });

  it('prints the same as text: a row per stage, a sentence per block', async () => {
    const { code, stdout } = await fovea('search', 'resnet18', '--device', 'v100', '--scores', '1=1,4=0.9');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^resnet18 on v100, batch 128 \(predicted\): .* ms against .* dense, /);
    expect(stdout.match(/^ +[1-4] +2 +\S+ +\w+ +[\d.]+$/gm)).toHaveLength(4);
    expect(stdout.match(/^.*layer\d\.\d.*$/gm)).toHaveLength(8);
    expect(stdout).toMatch(/^ *S by stage +ms +score$/m);
  });

  it('prints the best S and strategy of every stage and block, with advice', async () => {
    const { code, stdout, stderr } = await fovea(
      ...['search', 'resnet50', '--device', 'v100', '--rate', '0.4', '--scores', '1=1,4=0.9', '--json'],
    );
    expect([code, stderr]).toEqual([0, '']);
    const result = JSON.parse(stdout) as SearchResult;
    expect(result.stages).toHaveLength(4);
    expect(result.blocks).toHaveLength(16);
    expect(result.blocks[0]!.advice.sentence).toMatch(/layer1\.0/);
    expect(result.pareto!.length).toBeGreaterThan(0);
    expect(result.totalMs).toBeLessThan(result.denseMs);
  });

  it('refuses what it cannot read', async () => {
    const both = ['--rate', '0.4', '--rates', '4=0.5'];
    expect((await fovea('search', 'resnet50', '--device', 'v100', ...both)).stderr).toMatch(
      /give one of the two/,
    );
    const loose = ['--tolerance', '0.1'];
    expect((await fovea('search', 'resnet50', '--device', 'v100', ...loose)).stderr).toMatch(
      /only --objective finest has a tolerance/,
    );
    const blank = ['--objective', 'finest', '--tolerance', ''];
    expect((await fovea('search', 'resnet50', '--device', 'v100', ...blank)).stderr).toMatch(
      /--tolerance "": a number of at least 0/,
    );
    const { code, stderr } = await fovea('search', 'resnet50', '--device', 'v100', '--rates', '4:0.5');
    expect(code).toBe(1);
    expect(stderr).toMatch(/--rates "4:0\.5"/);
  });
});
