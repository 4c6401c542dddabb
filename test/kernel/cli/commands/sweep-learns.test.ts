import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { sha256Of } from '../../../../kernel/src/sweep/point.js';
import { useDataFolder } from '../../../support/data-folder.js';
import { hasRedis, useQueue } from '../../sweep/support/redis.js';
import { entry, fixture, fovea } from '../run-fovea.js';

const folder = useDataFolder();
const queue = useQueue();

async function sweep(space: object, ...args: string[]) {
  const path = join(folder, 'space.json');
  writeFileSync(
    path,
    JSON.stringify({ networks: [fixture('lasnet-tiny.safetensors')], threads: [1], ...space }),
  );
  const { code, stdout, stderr } = await fovea('sweep', path, '--json', ...args);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout).records as { result: Record<string, unknown>; point: { network: string } }[];
}

/** Where a machine keeps a network. */
const pathOf = (model: unknown, data = 'data') =>
  join(folder, data, 'sweeps', 'networks', `${String(model).replace('sha256:', '')}.safetensors`);

describe('maskers that sweeps learn', () => {
  it('are kept by their content, and are a MODEL for commands and further sweeps', {
    timeout: 180_000,
  }, async () => {
    const adapted = await sweep({
      name: 'adapted',
      kind: 'adapt',
      flops: [0.6],
      steps: 2,
      data: { images: 4 },
    });
    const { model, flops, agreement, blocks } = adapted[0]!.result as {
      readonly model: string;
      readonly flops: number;
      readonly agreement: unknown;
      readonly blocks: unknown;
    };
    expect(model).toMatch(/^sha256:[0-9a-f]{64}$/);
    expect(`sha256:${sha256Of(readFileSync(pathOf(model)))}`).toBe(model);
    expect(flops).toBeGreaterThan(0);
    expect(flops).toBeLessThan(1);
    expect(agreement).toMatchObject({ top1: expect.any(Number) });
    expect(blocks).toContainEqual({
      ...{ name: expect.any(String), granularity: expect.any(Number), rate: expect.any(Number) },
    });
    const fitted = await sweep({ name: 'fitted', kind: 'fit', flops: [0.5], data: { images: 4 } });
    expect(fitted[0]!.result.flops).toBeCloseTo(0.5, 1);
    expect(fitted[0]!.result.model).not.toBe(model);

    const short = model.slice(0, 'sha256:'.length + 8);
    const evaluated = await fovea('evaluate', short, '--images', '4', '--json');
    expect(evaluated.stderr).toBe('');
    // The same images as the point was judged on.
    expect(JSON.parse(evaluated.stdout).flops).toBeCloseTo(flops, 5);
    const further = await sweep({
      ...{ name: 'further', kind: 'evaluate', networks: [model, fitted[0]!.result.model] },
      ...{ maskers: ['learned'], data: { images: 4 } },
    });
    expect(further).toHaveLength(2);
    expect(further[0]!.point.network).toBe(model.slice(0, 'sha256:'.length + 12));
    expect(further[0]!.result.flops).toBeCloseTo(flops, 5);
    expect((await fovea('evaluate', 'sha256:00000000')).stderr).toMatch(
      /^fovea: sha256:00000000: none of the networks that sweeps have kept in .* begins so;/,
    );
  });

  it.skipIf(!hasRedis)('come from other machines through the queue', { timeout: 180_000 }, async () => {
    const env = { ...process.env, FOVEA_DATA_DIR: join(folder, 'elsewhere') };
    const worker = spawn(process.execPath, [entry, 'worker', ...queue()], {
      env,
      stdio: 'ignore',
    });
    try {
      const [record] = await sweep(
        { name: 'far', kind: 'fit', rates: [0.25], data: { images: 4 } },
        ...queue(),
      );
      const { model } = record!.result;
      expect(existsSync(pathOf(model, 'elsewhere'))).toBe(true);
      expect(`sha256:${sha256Of(readFileSync(pathOf(model)))}`).toBe(model);
    } finally {
      worker.kill('SIGKILL');
    }
  });
});
