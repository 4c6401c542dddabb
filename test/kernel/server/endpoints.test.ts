import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import WebSocket from 'ws';
import { startServer, type TestServer } from './support/server.js';

/**
 * Everything that JupyterLab 4.6 asks of a server from its start to a saved notebook, in that order. Without
 * any one of the endpoints marked `mandatory` it does not start, does not open a document, or does not run it.
 */
describe('what JupyterLab asks for', () => {
  let server: TestServer;
  let sessionId = '';
  let kernelId = '';

  beforeAll(async () => {
    server = await startServer();
    const notebook = { cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 };
    writeFileSync(join(server.folder, 'demo.ipynb'), JSON.stringify(notebook));
  });

  afterAll(() => server.close());

  const get = async (path: string) => {
    const answer = await server.fetch(path);
    expect(answer.status, path).toBe(200);
    return answer;
  };
  const send = (method: string, path: string, body?: unknown) =>
    server.fetch(path, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });

  it.each([
    '/lab',
    '/lab/tree/demo.ipynb',
    '/lab/workspaces/one',
    '/lab/workspaces/one/tree/demo.ipynb',
    '/doc/tree/demo.ipynb',
  ])('the page at %s', async (path) => {
    const text = await (await get(path)).text();
    const config = JSON.parse(/type="application\/json">(.*?)<\/script>/s.exec(text)![1]!);
    expect(config).toMatchObject({
      baseUrl: '/',
      token: '',
      fullStaticUrl: '/static/lab',
      mode: path.startsWith('/doc') ? 'single-document' : 'multiple-document',
      workspace: path.includes('/workspaces/one') ? 'one' : 'default',
      treePath: path.endsWith('.ipynb') ? 'demo.ipynb' : '',
      federated_extensions: [{ name: '@test/ext', load: 'static/remoteEntry.js', extension: './extension' }],
    });
    expect(config.disabledExtensions).toContain('@jupyterlab/apputils-extension:announcements');
    expect(text).toContain('<script defer src="/static/lab/main.0123456789abcdef.js">');
  });

  it('scripts that may be kept for ever, and the labextension', async () => {
    const script = await get('/static/lab/main.0123456789abcdef.js');
    expect(script.headers.get('cache-control')).toContain('immutable');
    expect(script.headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    await get('/lab/extensions/@test/ext/static/remoteEntry.js');
    for (const path of [
      '/static/favicons/favicon.svg',
      '/static/favicons/favicon-busy.svg',
      '/favicon.ico',
    ]) {
      const icon = await get(path);
      expect(icon.headers.get('content-type')).toBe('image/svg+xml; charset=utf-8');
      expect(await icon.text()).toMatch(/^<svg .*<\/svg>\s*$/s);
    }
  });

  it('mandatory: settings of all plugins, each with all keys', async () => {
    const { settings } = await (await get('/lab/api/settings')).json();
    expect(Object.keys(settings[0]).sort()).toEqual(
      ['created', 'id', 'last_modified', 'raw', 'schema', 'settings', 'version'].sort(),
    );
    expect(await (await get('/lab/api/settings?ids_only=true')).json()).toEqual({
      settings: [{ id: '@test/plugin:main' }],
    });
    expect((await server.fetch('/lab/api/settings/no:thing')).status).toBe(404);
  });

  it('mandatory: settings beside a damaged schema and files that are no package', async () => {
    const schemas = join(server.stateFolder, '..', 'assets', 'app', 'schemas');
    const odd = ['.DS_Store', '@file', '@test/notes.txt', '@test/plugin/damaged.json'];
    for (const path of odd) writeFileSync(join(schemas, path), '{');
    const { settings } = await (await get('/lab/api/settings')).json();
    expect(settings.map(({ id }: { id: string }) => id)).toEqual(['@test/plugin:main']);
    for (const path of odd) rmSync(join(schemas, path));
  });

  it('mandatory: translations, themes, kernelspecs', async () => {
    expect((await (await get('/lab/api/translations')).json()).data.en.displayName).toBe('English');
    expect(await (await get('/lab/api/translations/default')).json()).toEqual({ data: {}, message: '' });
    const theme = await get('/lab/api/themes/@test/theme/index.css');
    expect(theme.headers.get('content-type')).toBe('text/css; charset=utf-8');
    const { kernelspecs } = await (await get('/api/kernelspecs')).json();
    expect(Object.keys(kernelspecs)).toEqual(['fovea', 'echo', 'echo-signal']);
    await get('/kernelspecs/fovea/logo-64x64.png');
    const logo = await get('/kernelspecs/fovea/logo-svg.svg');
    expect(logo.headers.get('content-type')).toBe('image/svg+xml; charset=utf-8');
  });

  it('mandatory: the root listing, with all keys although there is no content', async () => {
    const root = await (await get('/api/contents?content=1&hash=0')).json();
    expect(root).toMatchObject({ type: 'directory', path: '', name: '', format: 'json' });
    expect(root.content[0]).toMatchObject({
      name: 'demo.ipynb',
      path: 'demo.ipynb',
      type: 'notebook',
      content: null,
      format: null,
      mimetype: null,
      writable: true,
    });
  });

  it('what is asked for but not needed', async () => {
    for (const path of [
      '/api',
      '/api/me',
      '/api/status',
      '/api/kernels',
      '/api/sessions',
      '/api/nbconvert',
      '/api/terminals',
      '/api/config/jupyterlabapputilsextensionannouncements',
      '/lab/api/workspaces',
      '/lab/api/workspaces/default',
      '/lab/api/licenses',
    ]) {
      expect((await get(path)).headers.get('content-type')).toBe('application/json');
    }
  });

  it('the event socket', async () => {
    const address = server.origin.replace('http', 'ws');
    const socket = new WebSocket(`${address}/api/events/subscribe?token=${server.token}`);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    socket.terminate();
  });

  it('mandatory: the document, with keys of the query that are new to us', async () => {
    const query = 'type=notebook&format=json&content=1&hash=1&contentProviderId=undefined&1700000000000';
    const model = await (await get(`/api/contents/demo.ipynb?${query}`)).json();
    expect(model).toMatchObject({ type: 'notebook', format: 'json', hash_algorithm: 'sha256' });
    expect(model.content.cells).toEqual([]);
  });

  it('mandatory: checkpoints, listed and made', async () => {
    expect(await (await get('/api/contents/demo.ipynb/checkpoints')).json()).toEqual([]);
    const made = await send('POST', '/api/contents/demo.ipynb/checkpoints');
    expect(made.status).toBe(201);
    expect(await made.json()).toMatchObject({ id: 'checkpoint' });
  });

  it('mandatory: a session, opened and named', async () => {
    const body = { kernel: { name: 'echo' }, name: '', path: 'demo.ipynb', type: 'notebook' };
    const opened = await send('POST', '/api/sessions', body);
    expect(opened.status).toBe(201);
    const session = await opened.json();
    sessionId = session.id;
    kernelId = session.kernel.id;
    expect(opened.headers.get('location')).toBe(`/api/sessions/${sessionId}`);
    expect(session).toMatchObject({ path: 'demo.ipynb', notebook: { path: 'demo.ipynb' } });
    const named = await send('PATCH', `/api/sessions/${sessionId}`, { name: 'demo.ipynb' });
    expect(named.status).toBe(200);
    expect((await named.json()).name).toBe('demo.ipynb');
  });

  it.each([['v1.kernel.websocket.jupyter.org'], [undefined]])(
    'mandatory: the channels, with subprotocol %s',
    async (protocol) => {
      const address = `${server.origin.replace('http', 'ws')}/api/kernels/${kernelId}/channels`;
      const socket = new WebSocket(
        `${address}?session_id=s&token=${server.token}`,
        protocol ? [protocol] : [],
      );
      const first = await new Promise<Buffer>((resolve, reject) => {
        socket.once('message', (data) => resolve(data as Buffer)).once('error', reject);
      });
      expect(socket.protocol).toBe(protocol ?? '');
      expect(first.toString('latin1')).toContain('execution_state');
      socket.terminate();
    },
  );

  it('mandatory: saving', async () => {
    const content = { cells: [], metadata: { a: 1 }, nbformat: 4, nbformat_minor: 5 };
    const saved = await send('PUT', '/api/contents/demo.ipynb', {
      type: 'notebook',
      format: 'json',
      content,
    });
    expect(saved.status).toBe(200);
    expect(await saved.json()).toMatchObject({ path: 'demo.ipynb', content: null });
    expect(
      (await send('PUT', '/lab/api/workspaces/default', { data: {}, metadata: { id: 'default' } })).status,
    ).toBe(204);
  });

  it('the rest of the menu: interrupt, restart, shut down', async () => {
    expect((await send('POST', `/api/kernels/${kernelId}/interrupt`)).status).toBe(204);
    const restarted = await send('POST', `/api/kernels/${kernelId}/restart`);
    expect(restarted.status).toBe(200);
    expect((await restarted.json()).id).toBe(kernelId);
    expect((await send('DELETE', `/api/sessions/${sessionId}`)).status).toBe(204);
    expect((await server.fetch(`/api/kernels/${kernelId}`)).status).toBe(404);
  });

  it('a file to download, and one to show', async () => {
    const download = await get('/files/demo.ipynb');
    expect(download.headers.get('content-disposition')).toContain('attachment');
    writeFileSync(join(server.folder, 'a.png'), Buffer.from([137, 80]));
    const shown = await get('/files/a.png');
    expect(shown.headers.get('content-type')).toBe('image/png');
    expect(shown.headers.get('content-disposition')).toBeNull();
    expect([...new Uint8Array(await shown.arrayBuffer())]).toEqual([137, 80]);
    expect((await server.fetch('/files/none.png')).status).toBe(404);
    const head = await server.fetch('/files/a.png', { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, '2']);
  });

  it('shutting down from the menu ends kernels and server', async () => {
    const own = await startServer();
    const kernel = await own.lab.kernels.start('echo');
    await kernel.whenReady();
    const { pid } = kernel;
    expect((await own.fetch('/api/shutdown', { method: 'POST' })).status).toBe(200);
    await own.lab.closed;
    expect(() => process.kill(pid!, 0)).toThrow();
    await own.close();
  });
});
