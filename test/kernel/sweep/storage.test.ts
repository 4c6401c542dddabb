import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { takeLock } from '@fovea/engine/files';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { Journal } from '../../../kernel/src/sweep/embedded/journal.js';
import { type PointRecord, sha256Of } from '../../../kernel/src/sweep/point.js';
import { storedFolder } from '../../../kernel/src/sweep/storage/folders.js';
import { pruneStored } from '../../../kernel/src/sweep/storage/prune.js';
import { noteQueued, queuedSweeps } from '../../../kernel/src/sweep/storage/queued.js';
import { referencesHere } from '../../../kernel/src/sweep/storage/references.js';
import { listStored, removeStored, touch } from '../../../kernel/src/sweep/storage/stored.js';
import { beginUse } from '../../../kernel/src/sweep/storage/use.js';

const root = mkdtempSync(join(tmpdir(), 'fovea-storage-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let data = '';
beforeEach(() => {
  data = mkdtempSync(join(root, 'data-'));
});

/** Content under the hash of it, as if it had been made two hours ago. */
function store(kind: 'networks' | 'manifests' | 'materials', text: string, folder = data): string {
  const sha256 = sha256Of(text);
  const names = {
    networks: `${sha256}.safetensors`,
    manifests: `${sha256}.json`,
    materials: `${sha256}/a.onnx`,
  };
  const path = join(storedFolder(folder, kind), names[kind]);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  const before = Date.now() / 1000 - 7200;
  for (const each of kind === 'materials' ? [path, dirname(path)] : [path]) utimesSync(each, before, before);
  return sha256;
}

const record = (id: string, point: object, result: Record<string, unknown>): PointRecord => ({
  ...{ id, point: { kind: 'fit', where: {}, repeat: 0, ...point }, status: 'completed', result },
  ...{ attempts: 1, worker: 'a', startedAt: '', endedAt: '' },
});

async function journal(
  name: string,
  records: readonly PointRecord[],
  networks: string[] = [],
  materials: string[] = [],
) {
  const opened = await Journal.open(join(data, 'sweeps', `${name}.jsonl`), name);
  await opened.describe(
    name,
    { name, networks },
    records.map(({ id }) => id),
    materials,
  );
  for (const each of records) await opened.add(each);
  await opened.close();
}

const lib = (name: string) =>
  JSON.stringify(new URL(`../../../kernel/lib/sweep/storage/${name}.js`, import.meta.url).href);

/** A process that uses stored files until it is killed; resolves when it has done something with them. */
async function using(work: string): Promise<ChildProcess> {
  const program = `
    await (await import(${lib('use')})).beginUse(${JSON.stringify(data)});
    ${work}
    process.on('message', () => undefined).send('ready');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  await once(child, 'message');
  return child;
}

const left = async () => (await listStored(data)).map(({ sha256 }) => sha256);

describe('files that sweeps store', () => {
  it('are referred to by results, points, spaces and materials of the sweeps of this machine', async () => {
    const [result, given, manifest, named, material, free] = ['a', 'b', 'c', 'd', 'e', 'f'].map(sha256Of) as [
      ...[string, string, string, string, string, string],
    ];
    const point = { sha256: given, data: { manifest, from: 0, to: 1 } };
    await journal('one', [record('p1', point, { model: `sha256:${result}` })]);
    await journal('two', [], [`sha256:${named.slice(0, 8)}`, 'resnet18'], [material]);
    const references = await referencesHere(data);
    for (const hash of [result, given, manifest, named, material]) expect(references.has(hash)).toBe(true);
    expect(references.has(free)).toBe(false);
  });

  it('go when no sweep refers to them, and copies from queues in any case', async () => {
    const kept = store('networks', 'kept');
    const gone = [store('networks', 'free'), store('manifests', 'list'), store('materials', 'kept')];
    writeFileSync(join(storedFolder(data, 'networks'), 'notes.txt'), 'mine');
    await journal('one', [record('p1', {}, { model: `sha256:${kept}` })]);
    const planned = await pruneStored(data, { dryRun: true });
    expect(planned.removed.map(({ sha256 }) => sha256)).toEqual(gone);
    expect(planned.kept).toMatchObject([{ kind: 'networks', sha256: kept, bytes: 4, keptFor: 'sweep' }]);
    expect(await left()).toHaveLength(4);
    expect(await pruneStored(data)).toEqual(planned);
    expect(await left()).toEqual([kept]);
    expect(readdirSync(storedFolder(data, 'networks')).sort()).toEqual([`${kept}.safetensors`, 'notes.txt']);
  });

  it('stay when a sweep cannot be read: what it refers to is not known', async () => {
    const free = store('networks', 'free');
    mkdirSync(join(data, 'sweeps', 'broken.jsonl'));
    await expect(pruneStored(data)).rejects.toMatchObject({
      code: 'io',
      message: expect.stringMatching(/^cannot read the journal .*broken\.jsonl/),
    });
    expect(await left()).toEqual([free]);
  });

  it('stay while a process that began before they were made or touched uses some', async () => {
    const old = store('networks', 'old');
    const end = await beginUse(data);
    const fresh = sha256Of('fresh');
    writeFileSync(join(storedFolder(data, 'networks'), `${fresh}.safetensors`), 'fresh');
    const { removed, kept } = await pruneStored(data);
    expect(removed.map(({ sha256 }) => sha256)).toEqual([old]);
    expect(kept).toMatchObject([
      { sha256: fresh, keptFor: 'use', usedBy: expect.stringMatching(/^process \d+$/) },
    ]);
    await end();
    expect(await pruneStored(data)).toMatchObject({ removed: [{ sha256: fresh }], kept: [] });
    expect(readdirSync(join(data, 'sweeps', 'in-use'))).toEqual([]);
  });

  // A clock is set while a sweep runs, and copies from another machine have its times.
  it.each([-86_400, 86_400])('stay for a process that runs when clocks are %i s off', async (seconds) => {
    const at = Date.now() / 1000 + seconds;
    const stamp = (path: string) => utimesSync(path, at, at);
    const touched = store('networks', 'touched');
    const touchedPath = join(storedFolder(data, 'networks'), `${touched}.safetensors`);
    stamp(touchedPath);
    const untouched = store('networks', 'untouched');
    stamp(join(storedFolder(data, 'networks'), `${untouched}.safetensors`));
    const child = await using(`
      const { utimesSync, writeFileSync } = await import('node:fs');
      const { touch } = await import(${lib('stored')});
      const path = ${JSON.stringify(join(storedFolder(data, 'networks'), `${sha256Of('made')}.safetensors`))};
      writeFileSync(path, 'made');
      utimesSync(path, ${at}, ${at});
      await touch(${JSON.stringify(touchedPath)});`);
    const usedBy = `process ${child.pid}`;
    const uses = [sha256Of('made'), touched].map((sha256) => ({ sha256, keptFor: 'use', usedBy }));
    const { removed, kept } = await pruneStored(data);
    expect(removed.map(({ sha256 }) => sha256)).toEqual([untouched]);
    expect(new Set(kept.map(({ sha256, keptFor, usedBy }) => ({ sha256, keptFor, usedBy })))).toEqual(
      new Set(uses),
    );
    const closed = once(child, 'close');
    child.kill('SIGKILL');
    await closed;
    expect((await pruneStored(data)).removed).toHaveLength(2);
    expect(readdirSync(join(data, 'sweeps', 'in-use'))).toEqual([]);
  });

  it('all stay while a process runs of which it is not known when it began', async () => {
    const end = await beginUse(data);
    const free = store('networks', 'free');
    const stamps = readdirSync(join(data, 'sweeps', 'in-use')).find((name) => name.endsWith('.stamps'))!;
    writeFileSync(join(data, 'sweeps', 'in-use', stamps), '[["networks');
    expect(await pruneStored(data)).toMatchObject({ removed: [], kept: [{ sha256: free, keptFor: 'use' }] });
    await end();
    expect((await pruneStored(data)).removed).toHaveLength(1);
  });

  it('stay for a process of another machine that says that it is alive, whatever its clock shows', async () => {
    const end = await beginUse(data);
    const fresh = store('networks', 'fresh');
    const folder = join(data, 'sweeps', 'in-use');
    const mark = join(folder, readdirSync(folder).find((name) => !name.endsWith('.stamps'))!);
    writeFileSync(mark, '999999999 0123456789abcdef 1\n');
    utimesSync(mark, 1000, 1000);
    let beat = 1000;
    const beating = setInterval(() => utimesSync(mark, ++beat, beat), 200);
    try {
      expect(await pruneStored(data)).toMatchObject({
        ...{ removed: [], kept: [{ sha256: fresh, usedBy: expect.stringContaining('of another machine') }] },
      });
      // One that begins does not judge it either.
      await (await beginUse(data))();
      expect(existsSync(mark)).toBe(true);
    } finally {
      clearInterval(beating);
      await end();
    }
  });

  it('stay when they were used between the look at them and their removal', async () => {
    const [used, free] = [store('networks', 'used'), store('networks', 'free')];
    const items = await listStored(data);
    await touch(items.find(({ sha256 }) => sha256 === used)!.path);
    expect(await Promise.all(items.map(async (item) => [item.sha256, await removeStored(item)]))).toEqual(
      expect.arrayContaining([
        [used, false],
        [free, true],
      ]),
    );
    expect(await left()).toEqual([used]);
    // One that another process has removed is gone too.
    expect(await removeStored(items.find(({ sha256 }) => sha256 === free)!)).toBe(true);
  });

  it('do not stay for a process that was killed', async () => {
    store('networks', 'free');
    const inUse = join(data, 'sweeps', 'in-use');
    mkdirSync(inUse, { recursive: true });
    // No process has this number.
    writeFileSync(join(inUse, `${Date.now() - 9e6}-00000000-0000-4000-8000-000000000000`), '4194305\n');
    await pruneStored(data);
    expect(await left()).toEqual([]);
    expect(readdirSync(inUse)).toEqual([]);
  });

  it('are not begun to be used while some are removed', async () => {
    const unlock = await takeLock(join(data, 'sweeps', 'prune.lock'), 'a test');
    await expect(pruneStored(data)).rejects.toThrow(/^removing stored files is under way in process \d+/);
    let begun = false;
    const beginning = beginUse(data).then((end) => {
      begun = true;
      return end;
    });
    await delay(200);
    expect(begun).toBe(false);
    await unlock();
    await (await beginning)();
  });

  it('stay for sweeps on queues until the queue no longer has the sweep, or nobody asks', async () => {
    const [a, b] = [store('networks', 'a'), store('networks', 'b')];
    const note = (queue: string, hashes: string[]) => noteQueued(data, { queue, sweep: 's', hashes });
    await note('head:6379/0', [a]);
    await note('other:6379/0', [b]);
    const asked = (sweeps: string[]) => ({ name: 'head:6379/0', sweeps: async () => sweeps });
    const has = await pruneStored(data, { queue: asked(['s']) });
    expect(has.removed).toEqual([]);
    expect(has.kept.map(({ queue }) => queue).sort()).toEqual(['head:6379/0', 'other:6379/0']);
    expect(await pruneStored(data, { dryRun: true, queue: asked([]) })).toMatchObject({
      removed: [{ sha256: a }],
    });
    expect(await queuedSweeps(data)).toHaveLength(2);
    expect(await pruneStored(data, { queue: asked(['t']) })).toMatchObject({ removed: [{ sha256: a }] });
    expect(await queuedSweeps(data)).toEqual([{ queue: 'other:6379/0', sweep: 's', hashes: [b] }]);
    expect(await pruneStored(data, { all: true })).toMatchObject({ removed: [{ sha256: b }] });
    expect(await queuedSweeps(data)).toEqual([]);
  });

  it('are noted for a queue, or it is said why not', async () => {
    const note = { queue: 'head:6379/0', sweep: 's', hashes: [sha256Of('a')] };
    const folder = join(data, 'sweeps', 'queues', 'head%3A6379%2F0', 's');
    mkdirSync(join(folder, note.hashes[0]!), { recursive: true });
    await expect(noteQueued(data, note)).rejects.toMatchObject({
      ...{ code: 'io', message: expect.stringMatching(/^cannot note in .* what a queue needs: EISDIR/) },
    });
  });

  it('are whole or gone when the removal is killed at any moment, and the next one takes the rest', {
    timeout: 60_000,
  }, async () => {
    const kept = store('networks', 'kept');
    await journal('one', [record('p1', {}, { model: `sha256:${kept}` })]);
    const count = 400;
    const content = (i: number) => `content of ${i} `.repeat(1000);
    for (let i = 0; i < count; i++) store(i % 2 ? 'networks' : 'materials', content(i));
    const lib = new URL('../../../kernel/lib/sweep/storage/prune.js', import.meta.url).href;
    // Ends itself when so many renames and removals have begun: another process would see some too late.
    const killedAt = (most: number) => `
      import files from 'node:fs/promises';
      import { syncBuiltinESMExports } from 'node:module';
      let count = 0;
      for (const name of ['rename', 'rm']) {
        const work = files[name];
        files[name] = (...given) => {
          const working = work(...given);
          if (++count === ${most}) process.kill(process.pid, 'SIGKILL');
          return working;
        };
      }
      syncBuiltinESMExports();
      await (await import(${JSON.stringify(lib)})).pruneStored(${JSON.stringify(data)});`;
    const expected = new Map(Array.from({ length: count }, (_, i) => [sha256Of(content(i)), content(i)]));
    for (let round = 1; round <= 10; round++) {
      // At another point of the work each time: after a rename as well as after a removal.
      const child = spawn(process.execPath, ['--input-type=module', '-e', killedAt(5 * round)], {
        stdio: ['ignore', 'ignore', 'inherit'],
      });
      const [, signal] = await once(child, 'close');
      expect(signal).toBe('SIGKILL');
      for (const { kind, sha256, path } of await listStored(data)) {
        if (sha256 === kept) continue;
        const file = kind === 'materials' ? join(path, 'a.onnx') : path;
        expect(readFileSync(file, 'utf8')).toBe(expected.get(sha256));
      }
    }
    expect((await left()).length).toBeGreaterThan(1);
    await pruneStored(data);
    expect(readdirSync(storedFolder(data, 'networks'))).toEqual([`${kept}.safetensors`]);
    expect(readdirSync(storedFolder(data, 'materials'))).toEqual([]);
    expect(existsSync(join(data, 'sweeps', 'prune.lock'))).toBe(false);
  });
});
