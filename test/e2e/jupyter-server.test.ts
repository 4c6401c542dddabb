import { type ChildProcess, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startServer, type TestServer } from '../kernel/server/support/server.js';
import { sleep } from '../kernel/waiting.js';
import { freePort, jupyterEnvironment, pythonEnvironment, run } from './support/python-environment.js';

/** The server that people know, and a program that makes up requests from a description of an API. */
const python = await pythonEnvironment('python-server', ['jupyter_server==2.21.1', 'schemathesis==4.32.5']);
const unless = python.unavailable ? ` (skipped: ${python.unavailable})` : '';

const TOKEN = 'secret';
const contents = (path = '') => `/api/contents${path}`;
const text = (content: string) => ({ type: 'file', format: 'text', content });
const LONGEST = encodeURIComponent('漢'.repeat(85));
const NOTEBOOK = { cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 };

/** Requests in the order in which they are sent to both servers, which begin with the same files. */
const REQUESTS: readonly (readonly [method: string, path: string, body?: unknown])[] = [
  ['GET', '/api/me?permissions=x'],
  ['PATCH', '/api/me', {}],
  ...['', '/', '?content=0', '/dir', '/dir?content=0', '/none', '/.hidden'].map(
    (path) => ['GET', contents(path)] as const,
  ),
  ...['', '?content=0', '?hash=1', '?content=0&hash=1', '?format=base64', '?format=text', '?format=x'].map(
    (query) => ['GET', contents(`/a.txt${query}`)] as const,
  ),
  ...['?type=x', '?type=notebook', '?type=directory', '?content=2', '?hash=2'].map(
    (query) => ['GET', contents(`/a.txt${query}`)] as const,
  ),
  ...['/b.bin', '/b.bin?format=text', '/latin.txt', '/latin.txt?format=text', '/empty.txt', '/a.tar.gz'].map(
    (path) => ['GET', contents(path)] as const,
  ),
  ...[
    '/n.ipynb',
    '/old.ipynb',
    '/n.ipynb?type=file',
    '/n.ipynb?content=0',
    '/bad.ipynb',
    '/bad.ipynb?type=file',
  ].map((path) => ['GET', contents(path)] as const),
  ...['/dir?type=file', '/dir?type=notebook', '/%C3%A4%20%C3%B6%23%3F%25', '/a.txt/x'].map(
    (path) => ['GET', contents(path)] as const,
  ),
  ['PUT', contents('/a.txt')],
  ['PUT', contents('/a.txt'), {}],
  ['PUT', contents('/a.txt'), { type: 'file', format: 'text' }],
  ['PUT', contents('/a.txt'), { type: 'file', content: 'x' }],
  ['PUT', contents('/a.txt'), { format: 'text', content: 'x' }],
  ['PUT', contents('/a.txt'), { ...text('x'), format: 'x' }],
  ['PUT', contents('/a.txt'), { copy_from: 'b.bin' }],
  ['GET', contents('/a.txt')],
  ['PUT', contents('/a.txt'), { ...text('!!'), format: 'base64' }],
  ['PUT', contents('/a.txt'), text('new')],
  ['GET', contents('/a.txt')],
  ['PUT', contents('/new%23.txt'), text('new')],
  ['PUT', contents('/none/x.txt'), text('new')],
  ['PUT', contents('/made'), { type: 'directory' }],
  ['PUT', contents('/made'), { type: 'directory' }],
  ['PUT', contents('/dir'), text('new')],
  ['PUT', contents('/.h'), text('new')],
  ['PUT', contents('/m.ipynb'), { type: 'notebook', format: 'json', content: NOTEBOOK }],
  ['PUT', contents('/m2.ipynb'), { type: 'notebook', content: {} }],
  ['PUT', contents('/bytes'), { ...text('/wABAg=='), format: 'base64' }],
  ['GET', contents('/bytes')],
  ['PUT', contents(`/${LONGEST}`), text('new')],
  ['PUT', contents(`/${LONGEST}x`), text('new')],
  ...[{ type: 'directory' }, { type: 'directory' }, { type: 'notebook' }, { type: 'notebook' }].map(
    (body) => ['POST', contents(), body] as const,
  ),
  ...[{ type: 'file', ext: '.md' }, { ext: '.ipynb' }, { type: 'file', ext: 'md' }, {}].map(
    (body) => ['POST', contents(), body] as const,
  ),
  ...['a.txt', 'a.txt', 'a-Copy1.txt', 'a.tar.gz', 'dir', 'none', '.hidden'].map(
    (copy_from) => ['POST', contents(), { copy_from }] as const,
  ),
  ['POST', contents('/dir'), { copy_from: 'a.txt' }],
  ['POST', contents('/dir'), { copy_from: 'a-Copy1.txt' }],
  ['POST', contents('/made'), { copy_from: 'dir' }],
  ['POST', contents('/a.txt'), {}],
  ['POST', contents('/none'), {}],
  ['PATCH', contents('/a-Copy1.txt'), { path: 'moved.txt' }],
  ['PATCH', contents('/moved.txt'), { path: 'a.txt' }],
  ['PATCH', contents('/moved.txt'), { path: 'moved.txt' }],
  ['PATCH', contents('/moved.txt')],
  ['PATCH', contents('/none'), { path: 'none2' }],
  ['PATCH', contents('/moved.txt'), { path: 'none/x' }],
  ['PATCH', contents('/moved.txt'), { path: '.x' }],
  ['PATCH', contents('/moved.txt'), { path: '../x' }],
  ['PATCH', contents('/dir'), { path: 'dir/inner/dir' }],
  ['PATCH', contents('/moved.txt'), { path: 'dir/moved.txt' }],
  ['PATCH', contents('/dir'), { path: 'dir2' }],
  ['GET', contents('/a.txt/checkpoints')],
  ['POST', contents('/a.txt/checkpoints')],
  ['GET', contents('/a.txt/checkpoints')],
  ['POST', contents('/a.txt/checkpoints/checkpoint')],
  ['POST', contents('/a.txt/checkpoints/none')],
  ['DELETE', contents('/a.txt/checkpoints/none')],
  ['DELETE', contents('/a.txt/checkpoints/checkpoint')],
  ['GET', contents('/none/checkpoints')],
  ['POST', contents('/n.ipynb/trust')],
  ['POST', contents('/none.ipynb/trust')],
  ['DELETE', contents('/moved.txt')],
  ['DELETE', contents('/.hidden')],
  ['DELETE', contents('/made')],
  ['DELETE', contents('/dir2')],
  ['DELETE', contents()],
  ...['a.txt', 'page.html', 'n.ipynb', 'b.bin', 's.json', 'none', 'made', '.hidden', 'a.tar.gz'].map(
    (path) => ['GET', `/files/${path}`] as const,
  ),
  ...['', '?path=a.txt', '?path=/etc/passwd', '?path=../x', '?path=a.txt&kernel=x'].map(
    (query) => ['GET', `/api/resolvePath${query}`] as const,
  ),
  ['GET', '/api/kernels'],
  ['POST', '/api/kernels', { name: 'none' }],
  ['GET', '/api/kernels/x'],
  ['DELETE', '/api/kernels/x'],
  ['POST', '/api/kernels/x/interrupt'],
  ['POST', '/api/kernels/x/restart'],
  ['GET', '/api/sessions'],
  ['POST', '/api/sessions', {}],
  ['POST', '/api/sessions'],
  ['POST', '/api/sessions', { path: 'x.ipynb', type: 'notebook', kernel: { name: 'none' } }],
  ['GET', '/api/sessions/x'],
  ['DELETE', '/api/sessions/x'],
  ['PATCH', '/api/sessions/x', {}],
  ['GET', '/api/kernelspecs/none'],
  ['GET', '/kernelspecs/none/logo-svg.svg'],
  ['GET', '/api/config/x'],
  ['PUT', '/api/config/x', { a: { b: 1 } }],
  ['PATCH', '/api/config/x', { a: { c: 2 } }],
  ['PATCH', '/api/config/x', { a: { b: null } }],
  ['GET', '/api/config/x'],
  ['GET', '/api/nothing'],
  ['PUT', '/api/status'],
];

/** Where this server answers otherwise on purpose. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  // What is wrong with a request is said, where Jupyter guesses, or fails with 500.
  'GET /api/contents/a.txt?type=x': 'status 200, here 400',
  'GET /api/contents/a.txt/x': 'status 500, here 404',
  'PUT /api/contents/a.txt': 'status 404, here 400',
  'PUT /api/contents/a.txt {}': 'status 404, here 400',
  'PUT /api/contents/a.txt {"type":"file","format":"base64","content":"!!"}': 'status 200, here 400',
  'PUT /api/contents/none/x.txt {"type":"file","format":"text","content":"new"}': 'status 500, here 404',
  'PUT /api/contents/dir {"type":"file","format":"text","content":"new"}': 'status 500, here 400',
  'PUT /api/contents/m2.ipynb {"type":"notebook","content":{}}': 'status 500, here 400',
  [`PUT /api/contents/${LONGEST}x {"type":"file","format":"text","content":"new"}`]: 'status 500, here 400',
  'PATCH /api/contents/dir {"path":"dir/inner/dir"}': 'status 500, here 400',
  'POST /api/contents/a.txt/checkpoints/none': 'status 500, here 404',
  'GET /api/contents/none/checkpoints': 'status 200, here 404',
  'POST /api/kernels {"name":"none"}': 'status 500, here 501',
  // A hidden file does not exist for readers.
  'POST /api/contents {"copy_from":".hidden"}': 'status 400, here 404',
  // A folder that is there already was not created.
  'PUT /api/contents/made {"type":"directory"} again': 'status 201, here 200',
  // A new file without an extension is a text, as the launcher's is.
  'POST /api/contents {}': 'location /api/contents/untitled, here /api/contents/untitled.txt',
  // Types are those of the bytes that are sent.
  'GET /api/contents/a.tar.gz': 'mimetype application/x-tar, here application/gzip',
  'POST /api/contents {"copy_from":"a.tar.gz"}': 'mimetype application/x-tar, here application/gzip',
  'GET /api/contents/n.ipynb?type=file': 'mimetype text/plain, here application/x-ipynb+json',
  'GET /api/contents/bad.ipynb?type=file': 'mimetype text/plain, here application/x-ipynb+json',
  // A page without a charset is read as Latin-1.
  'GET /files/page.html': 'content-type text/html, here text/html; charset=utf-8',
};

/** The same files for both servers. */
function writeFiles(folder: string): void {
  mkdirSync(join(folder, 'dir/inner'), { recursive: true });
  mkdirSync(join(folder, 'ä ö#?%'));
  const cell = { cell_type: 'code', id: 'a', metadata: {}, source: ['1\n', '2'], outputs: [] };
  const files: Record<string, string | Buffer> = {
    'a.txt': 'text',
    'a.tar.gz': 'z',
    'b.bin': Buffer.from([0, 255, 1]),
    'bad.ipynb': '{',
    'dir/x.txt': 'x',
    'empty.txt': '',
    'latin.txt': Buffer.from([0xe4]),
    'n.ipynb': JSON.stringify({ ...NOTEBOOK, cells: [{ ...cell, execution_count: null }] }),
    'page.html': '<p>ü',
    's.json': '{}',
    'ä ö#?%/ñ.md': 'm',
    '.hidden': 'h',
  };
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  copyFileSync(join(import.meta.dirname, '../fixtures/notebooks/format-3.ipynb'), join(folder, 'old.ipynb'));
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: unknown;
}

type Model = Record<string, unknown>;
const KEYS = ['name', 'path', 'type', 'format', 'mimetype', 'writable', 'content', 'hash', 'hash_algorithm'];

/** Of an answer what has to be the same: not times, sizes of what was reformatted, and words of messages. */
function essence({ body }: Answer, isFile: boolean): Model {
  if (isFile || typeof body !== 'object' || body === null) return isFile ? { bytes: body } : {};
  if (!('mimetype' in body))
    return { body: JSON.stringify(body).replace(/"\d{4}-\d\d-\d\dT[^"]+"/g, '"a time"') };
  const model = body as Model;
  const { content } = model;
  const comparable = Array.isArray(content)
    ? (content as Model[]).map(({ name, type, size }) => `${name} ${type} ${size}`).sort()
    : typeof content === 'string' && model.format === 'base64'
      ? content.replace(/\s/g, '')
      : content;
  return Object.fromEntries(KEYS.map((key) => [key, inOrder(key === 'content' ? comparable : model[key])]));
}

/** JSON with its keys in order, without the ids and the minor version that Jupyter gives to older notebooks. */
function inOrder(value: unknown): string {
  return JSON.stringify(value, (key, inner: unknown) => {
    if (key === 'id' || key === 'nbformat_minor') return undefined;
    const isObject = typeof inner === 'object' && inner !== null && !Array.isArray(inner);
    return isObject ? Object.fromEntries(Object.entries(inner).sort()) : inner;
  });
}

/** The first thing that differs between two answers, or undefined. */
function difference(theirs: Answer, ours: Answer, isFile: boolean): string | undefined {
  if (theirs.status !== ours.status) return `status ${theirs.status}, here ${ours.status}`;
  if (theirs.status >= 400) return undefined;
  for (const name of ['location', ...(isFile ? ['content-type'] : [])]) {
    const [there, here] = [theirs, ours].map(({ headers }) => headers.get(name));
    if (there?.toLowerCase() !== here?.toLowerCase()) return `${name} ${there}, here ${here}`;
  }
  const [there, here] = [essence(theirs, isFile), essence(ours, isFile)];
  const key = Object.keys({ ...there, ...here }).find((name) => there[name] !== here[name]);
  const bare = (value: unknown) => String(value).replace(/^"|"$/g, '');
  return key === undefined ? undefined : `${key} ${bare(there[key])}, here ${bare(here[key])}`;
}

describe.skipIf(python.unavailable)(`beside jupyter_server from PyPI${unless}`, () => {
  const base = mkdtempSync(join(tmpdir(), 'fovea-jupyter-'));
  let jupyter: ChildProcess;
  let jupyterOrigin: string;
  let lab: TestServer;

  beforeAll(async () => {
    const root = join(base, 'jupyter');
    writeFiles(root);
    const port = await freePort();
    jupyterOrigin = `http://localhost:${port}`;
    jupyter = spawn(
      python.bin('jupyter-server'),
      ['--no-browser', '--allow-root', `--ServerApp.port=${port}`, `--ServerApp.root_dir=${root}`].concat(
        `--IdentityProvider.token=${TOKEN}`,
        '--FileContentsManager.delete_to_trash=False',
        '--FileContentsManager.always_delete_dir=True',
      ),
      { stdio: 'ignore', env: jupyterEnvironment(base) },
    );
    const folder = join(base, 'fovea');
    writeFiles(folder);
    lab = await startServer({ folder, token: TOKEN });
    const isUp = () =>
      fetch(`${jupyterOrigin}/api`).then(
        () => true,
        () => false,
      );
    for (let tries = 0; tries < 300 && !(await isUp()); tries += 1) await sleep(100);
  });

  afterAll(async () => {
    const ended = new Promise((resolve) => jupyter.once('exit', resolve));
    jupyter.kill('SIGKILL');
    await ended;
    await lab.close();
    rmSync(base, { recursive: true, force: true });
  });

  const ask = async (origin: string, method: string, path: string, body: unknown): Promise<Answer> => {
    const answer = await fetch(`${origin}${path}`, {
      method,
      redirect: 'manual',
      headers: { Authorization: `token ${TOKEN}` },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const received = await answer.text();
    // Jupyter's errors are not always the JSON that they say they are.
    const isJson = answer.ok && answer.headers.get('content-type')?.startsWith('application/json');
    return {
      status: answer.status,
      headers: answer.headers,
      body: isJson && received && !path.startsWith('/files/') ? JSON.parse(received) : received,
    };
  };

  it('the same requests are answered alike, but for what is meant otherwise', { retry: 0 }, async () => {
    const found: Record<string, string> = {};
    const sent = new Set<string>();
    for (const [method, path, body] of REQUESTS) {
      const request = `${method} ${path}${body === undefined ? '' : ` ${JSON.stringify(body)}`}`;
      const theirs = await ask(jupyterOrigin, method, path, body);
      const ours = await ask(lab.origin, method, path, body);
      const differs = difference(theirs, ours, path.startsWith('/files/'));
      if (differs) found[sent.has(request) ? `${request} again` : request] = differs;
      sent.add(request);
    }
    expect(found).toEqual(DIFFERENCES);
    const hidden = (name: string) => !name.startsWith('.');
    expect(readdirSync(lab.folder).filter(hidden).sort()).toEqual(
      readdirSync(join(base, 'jupyter'))
        .map((name) => (name === 'untitled' ? 'untitled.txt' : name))
        .filter((name) => hidden(name) && name !== 'm2.ipynb')
        .sort(),
    );
  });

  /** Requests made up from a description, right ones and wrong ones. */
  const schemathesis = async (specification: string, checks: string) => {
    const excluded = ['/api/kernels', '/api/sessions', '/api/shutdown'];
    const { stdout } = await run(
      python.bin('schemathesis'),
      [
        ...['run', specification, '--url', lab.origin, '-H', `Authorization: token ${TOKEN}`],
        ...['--phases', 'examples,coverage,fuzzing', '-n', '15', '--seed', '7', '--workers', '1'],
        ...['--checks', checks, '--request-timeout', '20', '--continue-on-failure', '--no-color'],
        ...excluded.flatMap((path) => ['--exclude-path', path]),
      ],
      { timeout: 150_000, cwd: base, maxBuffer: 1e8 },
    ).catch((error: { stdout?: string; message: string }) => ({ stdout: error.stdout || error.message }));
    return stdout;
  };

  it.each([
    ["Jupyter's description of its API", () => jupyterDescription(), 'not_a_server_error'],
    [
      'the description of this server, which is true',
      () => join(import.meta.dirname, '../../kernel/resources/server-api.yaml'),
      'not_a_server_error,response_schema_conformance,content_type_conformance,status_code_conformance',
    ],
  ])('requests made up from %s meet no error of the server', async (_, specification, checks) => {
    const report = await schemathesis(await specification(), checks);
    expect(report).toMatch(/\d{3,} generated, (\d+) passed/);
    expect(report).not.toMatch(/failures?\b.*=|Failures:|Errors:/);
    expect(lab.log).toEqual([]);
  });

  const jupyterDescription = async () => {
    const code = 'import jupyter_server as s, os; print(os.path.dirname(s.__file__))';
    const { stdout } = await run(python.bin('python'), ['-c', code]);
    return join(stdout.trim(), 'services/api/api.yaml');
  };
});
