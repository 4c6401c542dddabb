import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NotebookTrust } from '../../../kernel/src/server/contents/trust.js';
import { keptSecret } from '../../../kernel/src/server/security/kept-secret.js';
import { cookiesOf, send } from './support/raw.js';
import { startServer } from './support/server.js';

const stateFolder = mkdtempSync(join(tmpdir(), 'fovea-state-'));
afterAll(() => rmSync(stateFolder, { recursive: true, force: true }));

describe('a page that stays open while the lab is started again on its port', () => {
  let cookie: string;
  let port: number;
  beforeAll(async () => {
    const before = await startServer({ token: 'my own', stateFolder });
    port = Number(new URL(before.origin).port);
    cookie = cookiesOf(await send(before.origin, '/lab?token=my%20own'));
    await before.close();
  });

  /** What the page gets when it saves, from a server of its own. */
  async function save(token: string, state = stateFolder) {
    const lab = await startServer({ port, portRetries: 0, token, stateFolder: state });
    try {
      return await send(lab.origin, '/api/contents/a.txt', {
        method: 'PUT',
        headers: { Cookie: cookie, 'X-XSRFToken': /_xsrf=(\w+)/.exec(cookie)![1]! },
        body: JSON.stringify({ type: 'file', format: 'text', content: 'edited meanwhile' }),
      });
    } finally {
      await lab.close();
    }
  }

  it('saves what is in it, when the token is the same', async () => {
    expect((await save('my own')).status).toBe(201);
  });

  it('is asked to log in for another token, or on another machine', async () => {
    const elsewhere = mkdtempSync(join(stateFolder, 'elsewhere-'));
    for (const answer of [await save('another'), await save('my own', elsewhere)]) {
      expect(answer.status).toBe(403);
      expect(JSON.parse(answer.text).message).toMatch(
        /another tab of this browser; this page then works again/,
      );
    }
  });
});

describe('a secret of this machine', () => {
  it('is the same for servers that start at once, private, and made again when it was left incomplete', async () => {
    const folder = mkdtempSync(join(stateFolder, 'secrets-'));
    const file = join(folder, 'a');
    const secrets = await Promise.all(Array.from({ length: 8 }, () => keptSecret(file)));
    expect(new Set(secrets.map(String)).size).toBe(1);
    expect(secrets[0]).toHaveLength(64);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    writeFileSync(file, '');
    expect(await keptSecret(file)).toHaveLength(64);
    expect(readdirSync(folder)).toEqual(['a']);
  });
});

it('two labs of one user do not forget what the other has trusted', async () => {
  const folder = mkdtempSync(join(stateFolder, 'trust-'));
  const notebook = (text: string) => ({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {},
    cells: [{ cell_type: 'code', source: text, metadata: {}, outputs: [], execution_count: null }],
  });
  const labs = [await NotebookTrust.open(folder), await NotebookTrust.open(folder)];
  await labs[0]!.remember(notebook('first'));
  await labs[1]!.remember(notebook('second'));
  const later = await NotebookTrust.open(folder);
  for (const text of ['first', 'second'])
    expect(later.mark(notebook(text))).toMatchObject({ cells: [{ metadata: { trusted: true } }] });
});

it('what is trusted is not replaced where it cannot be read, and kept with the next save once it can', async () => {
  const folder = mkdtempSync(join(stateFolder, 'trust-'));
  const trust = await NotebookTrust.open(folder);
  const signatures = join(folder, 'notebook-signatures');
  symlinkSync(signatures, signatures);
  const notebook = { nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [] };
  await expect(trust.remember(notebook)).rejects.toMatchObject({ code: 'ELOOP' });
  expect(lstatSync(signatures).isSymbolicLink()).toBe(true);
  rmSync(signatures);
  await trust.remember(notebook);
  expect(readFileSync(signatures, 'utf8')).toMatch(/^[0-9a-f]{64}\n$/);
});
