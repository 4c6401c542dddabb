// @module-tag process
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LabServer } from '../../../kernel/src/server/server.js';
import { startServer, type TestServer } from './support/server.js';

/** A small disk of one's own, where the system lets us make one. */
const disk = mkdtempSync(join(tmpdir(), 'fovea-disk-'));
const hasDisk = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', disk]).status === 0;
afterAll(() => {
  if (hasDisk) spawnSync('umount', ['-l', disk]);
  rmSync(disk, { recursive: true, force: true });
});

const TRUSTED_NOTEBOOK = {
  cells: [
    {
      id: 'one',
      cell_type: 'code',
      metadata: { trusted: true },
      source: '1',
      outputs: [{ output_type: 'stream', name: 'stdout', text: '1' }],
      execution_count: 1,
    },
  ],
  metadata: {},
  nbformat: 4,
  nbformat_minor: 5,
};

describe.skipIf(!hasDisk)('a full disk (needs leave to mount a tmpfs)', () => {
  let server: TestServer | undefined;
  const filler = join(disk, 'filler');

  const start = async (options: Parameters<typeof startServer>[0]): Promise<TestServer> => {
    server = await startServer(options);
    return server;
  };
  const fillDisk = () => {
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1k', 'count=1000']);
  };
  const put = (name: string, body: Record<string, unknown>) =>
    server!.fetch(`/api/contents/${name}`, { method: 'PUT', body: JSON.stringify(body) });
  const putText = (name: string, content: string, chunk?: number) =>
    put(name, { type: 'file', format: 'text', content, ...(chunk === undefined ? {} : { chunk }) });
  const messageOf = async (response: Response) => ((await response.json()) as { message: string }).message;

  beforeEach(() => {
    for (const name of readdirSync(disk)) rmSync(join(disk, name), { recursive: true });
  });
  afterEach(async () => {
    await server?.close();
    server = undefined;
  });

  it('leaves the old file as it is, and saves when there is room again', async () => {
    await start({ folder: disk });
    expect((await putText('a.txt', 'precious')).status).toBe(201);
    fillDisk();
    const refused = await putText('a.txt', 'x'.repeat(100_000));
    expect(refused.status).toBe(507);
    expect(await messageOf(refused)).toBe('The disk is full; nothing was changed: a.txt');
    expect(readFileSync(join(disk, 'a.txt'), 'utf8')).toBe('precious');
    expect(readdirSync(disk).sort()).toEqual(['a.txt', 'filler']);
    rmSync(filler);
    expect((await putText('a.txt', 'x'.repeat(100_000))).status).toBe(200);
  });

  it('leaves no empty file where a new notebook found no room', async () => {
    await start({ folder: disk });
    fillDisk();
    const refused = await server!.fetch('/api/contents', {
      method: 'POST',
      body: JSON.stringify({ type: 'notebook' }),
    });
    expect(refused.status).toBe(507);
    expect(readdirSync(disk)).toEqual(['filler']);
  });

  it('refuses a checkpoint as in a read-only folder, so that JupyterLab opens the file', async () => {
    await start({ folder: disk });
    expect((await putText('a.txt', 'precious')).status).toBe(201);
    fillDisk();
    const refused = await server!.fetch('/api/contents/a.txt/checkpoints', { method: 'POST' });
    expect(refused.status).toBe(403);
    expect(await messageOf(refused)).toBe('The disk is full; nothing was changed: a.txt');
  });

  it('keeps the file on another disk that an upload was to replace through a link', async () => {
    await start({ followLinks: true });
    writeFileSync(join(disk, 'a.txt'), 'precious');
    symlinkSync(join(disk, 'a.txt'), join(server!.folder, 'link.txt'));
    expect((await putText('link.txt', 'x'.repeat(200_000), 1)).status).toBe(200);
    expect((await putText('link.txt', 'x'.repeat(200_000), -1)).status).toBe(507);
    expect(readFileSync(join(disk, 'a.txt'), 'utf8')).toBe('precious');
    expect(readdirSync(disk)).toEqual(['a.txt']);
    expect((await putText('link.txt', 'x'.repeat(10), 1)).status).toBe(200);
    expect((await putText('link.txt', 'x'.repeat(10), -1)).status).toBe(200);
    expect(readFileSync(join(disk, 'a.txt'), 'utf8')).toBe('x'.repeat(20));
  });

  it('of the state saves a notebook all the same, and says what it could not keep', async () => {
    await start({ stateFolder: disk });
    fillDisk();
    expect((await put('a.ipynb', { type: 'notebook', content: TRUSTED_NOTEBOOK })).status).toBe(201);
    expect(readFileSync(join(server!.folder, 'a.ipynb'), 'utf8')).toContain('"source"');
    expect(server!.log).toEqual([
      expect.stringMatching(/will not be trusted after the next start: .*the disk is full$/),
    ]);
  });

  it('of the state starts no kernel, says where there is no room, and leaves nothing behind', async () => {
    await start({ stateFolder: disk });
    fillDisk();
    const refused = await server!.fetch('/api/kernels', {
      method: 'POST',
      body: JSON.stringify({ name: 'echo' }),
    });
    expect(refused.status).toBe(507);
    expect(await messageOf(refused)).toBe(
      'The disk is full; nothing was changed: a kernel needs a file in the state folder of the lab',
    );
    expect(readdirSync(join(disk, 'runtime'))).toEqual([]);
  });

  it('of the state lets no lab start that holds a port and answers nothing', async () => {
    fillDisk();
    const folder = mkdtempSync(join(tmpdir(), 'fovea-full-'));
    try {
      await expect(LabServer.start({ folder, port: 0, stateFolder: disk })).rejects.toMatchObject({
        code: 'io',
        message: expect.stringMatching(/state cannot be kept in .* ENOSPC.*FOVEA_STATE_DIR/),
      });
      expect(readdirSync(disk)).toEqual(['filler']);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
