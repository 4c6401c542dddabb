// @module-tag process
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { describe, expect, it, vi } from 'vitest';
import { registerConfig } from '../../../kernel/src/server/config.js';
import { ContentsRoot } from '../../../kernel/src/server/contents/paths.js';
import type * as Save from '../../../kernel/src/server/contents/save.js';
import { NotebookTrust } from '../../../kernel/src/server/contents/trust.js';
import { Router } from '../../../kernel/src/server/http/router.js';
import { TerminalManager } from '../../../kernel/src/server/terminals/manager.js';
import { freePort } from '../client.js';
import { serverWithApi } from './support/api.js';
import { startServer } from './support/server.js';

const lab = serverWithApi();
const five = [1, 2, 3, 4, 5];
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** How long the next saves take: an earlier one may so be overtaken by a later one. */
const delaysMs = vi.hoisted((): number[] => []);
vi.mock('../../../kernel/src/server/contents/save.js', async (original) => {
  const real = await original<typeof Save>();
  const saveAtomically: typeof real.saveAtomically = async (...given) => {
    await new Promise((resolve) => setTimeout(resolve, delaysMs.shift() ?? 0));
    return real.saveAtomically(...given);
  };
  return { ...real, saveAtomically };
});

/** Two requests, of which the first saves more slowly. */
async function overtaking(method: string, path: string, bodies: readonly [unknown, unknown]) {
  delaysMs.push(200);
  const first = lab.ask(method, path, bodies[0]);
  await pause(50);
  const answers = [await lab.ask(method, path, bodies[1]), await first];
  expect(answers.every(({ status }) => status < 300)).toBe(true);
  return (await lab.ask('GET', path)).body;
}

const notebookOf = (text: string) => ({
  cells: [{ cell_type: 'code', metadata: {}, outputs: [], source: text, execution_count: null }],
  metadata: {},
  nbformat: 4,
  nbformat_minor: 5,
});

/** A change of a section of a lab's configuration. */
function change(router: Router, body: object) {
  const path = '/api/config/notebook';
  const { handler, params } = router.match('PATCH', path);
  const request = Object.assign(Readable.from([Buffer.from(JSON.stringify(body))]), { headers: {} });
  return handler({ method: 'PATCH', params, request } as any);
}

describe('requests at once', () => {
  it('copy files of one name into a folder under different names, and lose none', async () => {
    mkdirSync(join(lab.server.folder, 'copies'));
    for (const i of five) {
      mkdirSync(join(lab.server.folder, `from${i}/deep`), { recursive: true });
      writeFileSync(join(lab.server.folder, `from${i}/a.txt`), `text ${i}`);
      writeFileSync(join(lab.server.folder, `from${i}/deep/file.txt`), `deep ${i}`);
    }
    const copies = async (name: string) => {
      const made = await Promise.all(
        five.map((i) => lab.ask('POST', '/api/contents/copies', { copy_from: `from${i}/${name}` })),
      );
      expect(made.map(({ status }) => status)).toEqual(five.map(() => 201));
      return made.map(({ body }) => join(lab.server.folder, body.path));
    };
    const files = await copies('a.txt');
    expect(files.map((file) => readFileSync(file, 'utf8'))).toEqual(five.map((i) => `text ${i}`));
    const folders = await copies('deep');
    const inside = folders.map((folder) => readFileSync(join(folder, 'file.txt'), 'utf8'));
    expect(inside).toEqual(five.map((i) => `deep ${i}`));
  });

  it('rename two files to one name, or to one that is created, and lose neither', async () => {
    const folder = join(lab.server.folder, 'renames');
    mkdirSync(folder);
    const at = (name: string) => `/api/contents/renames/${name}`;
    const texts = () => readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
    for (const i of five) {
      for (const name of ['a', 'b', 'c']) writeFileSync(join(folder, `${name}${i}`), name);
      const before = texts().length;
      const rename = (name: string, to: string) =>
        lab.ask('PATCH', at(`${name}${i}`), { path: `renames/${to}` });
      const [one, other, , created] = await Promise.all([
        ...[rename('a', `to${i}`), rename('b', `to${i}`)],
        ...[rename('c', `untitled${i}.txt`), lab.ask('POST', at(''), { ext: `${i}.txt` })],
      ]);
      expect([one!.status, other!.status].sort()).toEqual([200, 409]);
      expect(created!.status).toBe(201);
      expect(texts()).toHaveLength(before + 1);
    }
  });

  it('find the place of a file that appears and goes meanwhile', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-places-'));
    const root = await ContentsRoot.open(folder);
    let isOver = false;
    const changing = (async () => {
      for (; !isOver; await rm(join(folder, 'a'))) await writeFile(join(folder, 'a'), '');
    })();
    const asking = Array.from({ length: 3 }, async () => {
      for (let i = 0; i < 300; i++) expect((await root.place('a', 'write')).api).toBe('a');
    });
    await Promise.all(asking).finally(() => {
      isOver = true;
    });
    await changing;
    rmSync(folder, { recursive: true });
  });

  it('leave the settings, layout and configuration of the last one', async () => {
    const settings = [{ raw: '{"size":1}' }, { raw: '{"size":2}' }] as const;
    expect((await overtaking('PUT', '/lab/api/settings/@test/plugin:main', settings)).raw).toBe('{"size":2}');
    const layout = (tab: string) => ({ data: { tab }, metadata: { id: 'w' } });
    const kept = await overtaking('PUT', '/lab/api/workspaces/w', [layout('old'), layout('new')]);
    expect(kept.data).toEqual({ tab: 'new' });
    const changes = [{ one: 1 }, { two: 2 }] as const;
    expect(await overtaking('PATCH', '/api/config/notebook', changes)).toEqual({ one: 1, two: 2 });
  });

  it('trust two notebooks for good', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-trust-'));
    const trust = await NotebookTrust.open(folder);
    delaysMs.push(200);
    await Promise.all([trust.remember(notebookOf('one')), trust.remember(notebookOf('two'))]);
    const later = await NotebookTrust.open(folder);
    for (const text of ['one', 'two']) {
      expect(later.mark(notebookOf(text)).cells).toMatchObject([{ metadata: { trusted: true } }]);
    }
    rmSync(folder, { recursive: true });
  });

  it('save notebooks in two labs, which both trust them, as those that are opened later do', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-trust-'));
    const labs = [await NotebookTrust.open(folder), await NotebookTrust.open(folder)] as const;
    delaysMs.push(100, 100, 100, 100);
    await Promise.all([...'abcd'].map((text, i) => labs[i % 2]!.remember(notebookOf(text))));
    for (const trust of [...labs, await NotebookTrust.open(folder)]) {
      for (const text of 'abcd')
        expect(trust.mark(notebookOf(text)).cells).toMatchObject([{ metadata: { trusted: true } }]);
    }
    expect(readdirSync(folder).sort()).toEqual(['notebook-secret', 'notebook-signatures']);
    rmSync(folder, { recursive: true });
  });

  it('change a configuration in two labs, and both changes are kept', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-config-'));
    const [one, other] = [new Router(), new Router()];
    for (const router of [one, other]) registerConfig(router, folder);
    delaysMs.push(100, 100);
    await Promise.all([change(one, { a: 1 }), change(other, { b: 2 })]);
    expect(JSON.parse(readFileSync(join(folder, 'config/notebook.json'), 'utf8'))).toEqual({ a: 1, b: 2 });
    rmSync(folder, { recursive: true });
  });

  it('change the kernel of a notebook, or close it meanwhile, and leave no kernel without one', async () => {
    const kernels = async () => (await lab.ask('GET', '/api/kernels')).body.map(({ id }: any) => id);
    const open = { path: 'one.ipynb', type: 'notebook', kernel: { name: 'echo' } };
    const { id } = (await lab.ask('POST', '/api/sessions', open)).body;
    const change = () => lab.ask('PATCH', `/api/sessions/${id}`, { kernel: { name: 'echo' } });
    await Promise.all([change(), change()]);
    const { kernel } = (await lab.ask('GET', `/api/sessions/${id}`)).body;
    expect(await kernels()).toEqual([kernel.id]);
    const changed = change();
    await lab.ask('DELETE', `/api/sessions/${id}`);
    await changed;
    expect(await kernels()).toEqual([]);
  });
});

it('a server accepts no connection before it can answer', async () => {
  const port = await freePort();
  const open = TerminalManager.open.bind(TerminalManager);
  // As long as this takes, a page that is still open from before asks again and again.
  const early = vi.spyOn(TerminalManager, 'open').mockImplementation(async (...given) => {
    const asked = fetch(`http://127.0.0.1:${port}/api`, { signal: AbortSignal.timeout(1000) });
    await expect(asked).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    return open(...given);
  });
  const server = await startServer({ port });
  expect((await server.fetch('/api')).status).toBe(200);
  early.mockRestore();
  await server.close();
});
