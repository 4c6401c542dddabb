import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { serverWithApi } from './support/api.js';

const lab = serverWithApi();
const FIXTURE = join(import.meta.dirname, '../../fixtures/notebooks/format-3.ipynb');
const onDisk = () => join(lab.server.folder, 'old.ipynb');
const read = async () => (await lab.ask('GET', '/api/contents/old.ipynb')).body.content;

/** Of format 3, as IPython wrote them until 2014; the values are those that nbformat converts to. */
describe('an old notebook', () => {
  beforeAll(() => copyFileSync(FIXTURE, onDisk()));

  it('opens as one of format 4, which says where it comes from', async () => {
    const notebook = await read();
    expect(notebook).toMatchObject({
      nbformat: 4,
      metadata: { custom: { kept: true }, orig_nbformat: 3, orig_nbformat_minor: 0 },
    });
    expect(notebook.metadata).not.toHaveProperty('name');
    const [heading, markdown, raw, code, last] = notebook.cells;
    expect(heading).toMatchObject({ cell_type: 'markdown', source: '## A title in two lines' });
    expect(markdown).toMatchObject({ cell_type: 'markdown', source: '*text*\nmore', metadata: { slide: 1 } });
    expect(raw).toMatchObject({ cell_type: 'raw', source: 'raw' });
    expect(code).toMatchObject({ source: 'print(1)\n2', execution_count: 3, metadata: { collapsed: false } });
    expect(last).toMatchObject({
      source: "without = 'line ends'\nwithout",
      execution_count: null,
      outputs: [],
    });
    expect(code.outputs).toEqual([
      { output_type: 'stream', name: 'stderr', text: 'one\ntwo\n' },
      { output_type: 'stream', name: 'stdout', text: 'no name\n' },
      {
        output_type: 'execute_result',
        execution_count: 3,
        metadata: { 'image/png': { width: 3 } },
        data: { 'text/plain': '2', 'text/html': '<b>\n2</b>', 'image/png': 'aGVsbG8=' },
      },
      {
        output_type: 'display_data',
        metadata: {},
        data: {
          'image/svg+xml': '<svg/>',
          'text/latex': '$x$',
          'application/json': { a: 1 },
          'application/javascript': 'run()',
          'image/jpeg': 'aGVsbG8=',
        },
      },
      { output_type: 'error', ename: 'E', evalue: 'v', traceback: ['a', 'b'] },
    ]);
  });

  it('is left as it is until it is saved, and is of format 4 then', async () => {
    const content = await read();
    expect(readFileSync(onDisk(), 'utf8')).toBe(readFileSync(FIXTURE, 'utf8'));
    const body = { type: 'notebook', format: 'json', content };
    expect((await lab.ask('PUT', '/api/contents/old.ipynb', body)).status).toBe(200);
    const saved = JSON.parse(readFileSync(onDisk(), 'utf8'));
    expect([saved.nbformat, saved.cells.length, saved.metadata]).toEqual([4, 5, { custom: { kept: true } }]);
  });

  it.each([1, 2])('of format %i says how it is brought up', async (nbformat) => {
    writeFileSync(join(lab.server.folder, 'older.ipynb'), JSON.stringify({ nbformat, cells: [] }));
    const { status, body } = await lab.ask('GET', '/api/contents/older.ipynb');
    expect(status).toBe(400);
    expect(body.message).toContain(
      `nbformat ${nbformat}, 3 and 4 are accepted; jupyter nbconvert --to notebook`,
    );
  });
});
