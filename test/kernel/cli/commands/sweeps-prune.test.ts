import { spawn } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { storedFolder } from '../../../../kernel/src/sweep/storage/folders.js';
import { beginUse } from '../../../../kernel/src/sweep/storage/use.js';
import { useDataFolder } from '../../../support/data-folder.js';
import { hasRedis, useQueue } from '../../sweep/support/redis.js';
import { until } from '../../waiting.js';
import { entry, fixture, fovea } from '../run-fovea.js';

const folder = useDataFolder();
const queueOption = useQueue();

/** A space whose points make one network for each rate. */
function spec(name: string, rates: readonly number[]): string {
  const path = join(folder, `${name}.json`);
  const networks = [fixture('lasnet-tiny.safetensors')];
  writeFileSync(
    path,
    JSON.stringify({ name, kind: 'fit', networks, rates, threads: [1], data: { images: 2 } }),
  );
  return path;
}

const json = async (...args: string[]) => JSON.parse((await fovea('sweeps', ...args, '--json')).stdout);

const networks = (data = 'data') => readdirSync(join(folder, data, 'sweeps', 'networks'));

describe('fovea sweeps prune', () => {
  it('shows what sweeps store, and removes what none refers to after a confirmation', {
    timeout: 120_000,
  }, async () => {
    expect(await fovea('sweeps', 'prune')).toMatchObject({
      ...{ code: 0, stdout: 'sweeps store nothing beside their records\n' },
    });
    for (const [name, rates] of [
      ['first', [0.25, 0.5]],
      ['second', [0.5, 0.75]],
    ] as const)
      expect((await fovea('sweep', spec(name, rates))).code).toBe(0);
    // Both have made the same network at 0.5.
    expect(networks()).toHaveLength(3);
    expect((await fovea('sweeps', 'prune')).stdout).toMatch(
      /^networks of fit and adapt +3 .* 0 +0 B\nkept: 3 files \(.* MB\), as sweeps of this machine refer to them\n$/m,
    );
    const removed = await fovea('sweeps', 'remove', 'second');
    expect(removed.stdout).toMatch(
      /^sweep second is removed, with 2 records\n1 stored file \(.* MB\) that no sweep refers to any more is left: fovea sweeps prune removes it\n$/,
    );
    const planned = await fovea('sweeps', 'prune', '--dry-run');
    expect(planned.stdout).toMatch(/^removable: network sha256:[0-9a-f]{12}, .* MB, used last on \d{4}-/m);
    expect(planned.stdout).toMatch(/^kept: 2 files \(.* MB\), as sweeps of this machine refer to them$/m);
    const refused = await fovea('sweeps', 'prune');
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/^fovea: 1 file of .* MB will be removed: --yes removes it\n$/),
    ]);
    expect(networks()).toHaveLength(3);
    const pruned = await json('prune', '--yes');
    expect(pruned).toMatchObject({
      dryRun: false,
      removed: [{ kind: 'networks', sha256: expect.any(String), bytes: expect.any(Number) }],
      kept: [{ keptFor: 'sweep' }, { keptFor: 'sweep' }],
    });
    expect(existsSync(pruned.removed[0].path)).toBe(false);
    expect(networks()).toHaveLength(2);
    const gone = await json('remove', 'first', '--files');
    expect([gone.sweeps.length, gone.removed.length]).toEqual([1, 2]);
    expect(networks()).toEqual([]);
  });

  it('leaves alone what a sweep that runs has made and not recorded yet', { timeout: 120_000 }, async () => {
    const path = spec(
      'long',
      Array.from({ length: 90 }, (_, i) => (i + 5) / 100),
    );
    const running = spawn(process.execPath, [entry, 'sweep', path], { stdio: 'ignore' });
    const closed = new Promise((resolve) => running.once('close', resolve));
    await until(() => existsSync(join(folder, 'data', 'sweeps', 'long.jsonl')), 60_000);
    for (let i = 0; i < 5; i++) expect((await json('prune', '--yes')).removed).toEqual([]);
    running.kill('SIGINT');
    await closed;
    const { records } = await json('show', 'long');
    expect(records.length).toBeGreaterThan(0);
    for (const { result } of records)
      expect(networks()).toContain(`${result.model.slice('sha256:'.length)}.safetensors`);
    await fovea('sweeps', 'remove', 'long', '--files');
    expect(networks()).toEqual([]);
  });

  it('says which process may use what it keeps', async () => {
    const end = await beginUse(join(folder, 'data'));
    const path = join(storedFolder(join(folder, 'data'), 'networks'), `${'0'.repeat(64)}.safetensors`);
    try {
      writeFileSync(path, 'made');
      const { stdout } = await fovea('sweeps', 'prune', '--yes');
      expect(stdout).toMatch(
        new RegExp(
          `^kept: 1 file \\(4 B\\), as process ${process.pid}, a sweep or worker that runs, may use it$`,
          'm',
        ),
      );
      expect(existsSync(path)).toBe(true);
    } finally {
      await end();
    }
    expect((await json('prune', '--yes')).removed).toHaveLength(1);
  });

  it.skipIf(!hasRedis)(
    'keeps what sweeps on a queue refer to, here, there and at the workers',
    {
      timeout: 120_000,
    },
    async () => {
      const queue = queueOption();
      const env = { ...process.env, FOVEA_DATA_DIR: join(folder, 'elsewhere') };
      const worker = spawn(process.execPath, [entry, 'worker', ...queue], { env, stdio: 'ignore' });
      try {
        expect((await fovea('sweep', spec('far', [0.25]), ...queue)).code).toBe(0);
        const local = await json('prune', '--yes');
        expect(local.removed).toEqual([]);
        expect(local.kept).toMatchObject([{ kind: 'networks', keptFor: 'queue' }]);
        const asked = await json('prune', '--yes', ...queue);
        expect(asked.removed).toEqual([]);
        // The network given and the one made.
        expect(asked.kept.map(({ kind }: { kind: string }) => kind)).toEqual([
          'networks',
          'queued',
          'queued',
        ]);

        const gone = await json('remove', 'far', '--files', ...queue);
        expect(gone.removed.map(({ kind }: { kind: string }) => kind).sort()).toEqual([
          ...['networks', 'queued', 'queued'],
        ]);
        expect(networks()).toEqual([]);
        process.env.FOVEA_DATA_DIR = env.FOVEA_DATA_DIR;
        expect((await json('prune', '--yes')).removed).toEqual([]);
        expect((await json('prune', '--yes', ...queue)).removed).toHaveLength(1);
        expect(networks('elsewhere')).toEqual([]);
      } finally {
        process.env.FOVEA_DATA_DIR = join(folder, 'data');
        worker.kill('SIGKILL');
      }
    },
  );
});
