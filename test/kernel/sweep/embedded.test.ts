import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { EmbeddedBackend } from '../../../kernel/src/sweep/embedded/backend.js';
import { Sweep } from '../../../kernel/src/sweep/sweep.js';
import { expectSaidOnce } from '../../engine/support/said-once.js';
import { ExecutionLog, fakePoint, fakeRunner, submissionOf, Watcher } from './support/points.js';

let folder: string;
let log: ExecutionLog;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-embedded-'));
  log = new ExecutionLog(join(folder, 'executions'));
  process.env.EXEC_LOG = log.path;
});
afterEach(() => {
  delete process.env.EXEC_LOG;
  rmSync(folder, { recursive: true });
});

const open = () => new EmbeddedBackend({ folder: join(folder, 'journals'), runner: fakeRunner });

describe('a sweep on this machine', () => {
  it('that is stopped while it begins runs nothing after that, and can begin again', async () => {
    // Whatever the closing meets: the lock, the journal, or its first line.
    for (let turns = 0; turns < 12; turns++) {
      const backend = open();
      const submitted = backend.submit(submissionOf([fakePoint('sleep 0')])).then(
        () => 'begun',
        (error: { code: string }) => error.code,
      );
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
      await backend.close();
      const outcome = await submitted;
      expect(['begun', 'aborted']).toContain(outcome);
      if (outcome === 'aborted') expect(log.entries()).toEqual([]);
      expect(readdirSync(join(folder, 'journals')).filter((name) => name !== 'test.jsonl')).toEqual([]);
      if (outcome === 'begun') break;
    }
  });

  it('of another space under the name of an earlier one is not completed by the records of that one', async () => {
    const before = [0, 1, 2].map((i) => fakePoint('sleep 0', i));
    const backend = open();
    const watcher = new Watcher(backend);
    await backend.submit(submissionOf(before));
    await watcher.until(() => watcher.records.size === 3);
    expect(await backend.list()).toMatchObject([{ state: 'completed', points: 3, completed: 3 }]);
    await watcher.stop();
    await backend.close();

    const later = open();
    await later.submit(submissionOf([before[0]!, fakePoint('sleep 9000', 3)]));
    await later.close();
    const reader = open();
    expect(await reader.list()).toMatchObject([{ state: 'stopped', points: 2, completed: 1 }]);
    await reader.close();
  });

  it('whose name is almost right is named when it is opened again', async () => {
    vi.stubEnv('FOVEA_DATA_DIR', folder);
    const backend = open();
    await backend.submit(submissionOf([fakePoint('sleep 0', 0, {}, 'night-run')], 'night-run'));
    await expect(Sweep.start('nightrun', { backend })).rejects.toThrow(
      'no sweep "nightrun" was started here; a space is accepted; did you mean night-run?',
    );
    await backend.close();
    vi.unstubAllEnvs();
  });

  it('ends with the error of a full disk, and counts no point as failed', async () => {
    const backend = open();
    const watcher = new Watcher(backend);
    await backend.submit(submissionOf([fakePoint('full'), fakePoint('sleep 0')]));
    await expectSaidOnce(() => watcher.ended, 'io', /^cannot keep it: the disk is full$/);
    expect(log.entries()).toHaveLength(1);
    expect([...watcher.records]).toEqual([]);
    await backend.close();
  });

  it('goes on when a runner dies and a process that it has started holds its output open', async () => {
    const backend = open();
    const watcher = new Watcher(backend);
    const begun = performance.now();
    await backend.submit(submissionOf([fakePoint('leave 20000')]));
    await watcher.until(() => watcher.records.size === 1);
    expect(performance.now() - begun).toBeLessThan(15_000);
    expect([...watcher.records.values()]).toMatchObject([
      { status: 'failed', error: 'the runner ended (exit code 3): the runner leaves something behind' },
    ]);
    await watcher.stop();
    await backend.close();
  });

  it('is cancelled at once also while it waits for another one of this process', async () => {
    const [one, other] = [open(), open()];
    const watcher = new Watcher(one, 'one');
    await one.submit(submissionOf([fakePoint('sleep 60000', 0, {}, 'one')], 'one'));
    await watcher.until(() => log.entries().length > 0);
    await other.submit(submissionOf([fakePoint('sleep 0', 0, {}, 'other')], 'other'));
    await other.cancel('other');
    expect(log.entries().map(({ what }) => what)).toEqual(['start']);
    await Promise.all([one.close(), other.close()]);
    await watcher.stop();
  });
});
