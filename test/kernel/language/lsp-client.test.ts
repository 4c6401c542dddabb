import { FoveaError } from '@fovea/engine';
import { afterEach, describe, expect, it } from 'vitest';
import { LspClient } from '../../../kernel/src/language/lsp-client.js';

/** What every server here begins with: it reads messages, answers the handshake, and leaves the rest to `answer`. */
const prelude = `
let last = Promise.resolve();
const write = (message) => {
  const body = Buffer.from(JSON.stringify({ jsonrpc: '2.0', ...message }));
  // In two pieces, the second cut inside a character of several bytes where there is one.
  const cut = Math.max(1, body.findIndex((byte) => byte > 127) + 1);
  last = last.then(() => {
    process.stdout.write('Content-Length: ' + body.length + '\\r\\n\\r\\n');
    process.stdout.write(body.subarray(0, cut));
    return new Promise((resolve) => setTimeout(resolve, 5));
  });
  last = last.then(() => process.stdout.write(body.subarray(cut)));
};
let text = Buffer.alloc(0);
process.stdin.on('data', (chunk) => {
  text = Buffer.concat([text, chunk]);
  for (;;) {
    const head = text.indexOf('\\r\\n\\r\\n');
    const length = Number(/Content-Length: (\\d+)/.exec(text.subarray(0, Math.max(head, 0)))?.[1]);
    if (head < 0 || text.length < head + 4 + length) return;
    const message = JSON.parse(text.subarray(head + 4, head + 4 + length));
    text = text.subarray(head + 4 + length);
    if (message.method === 'initialize') write({ id: message.id, result: {} });
    else answer(message);
  }
});
`;

const clients: LspClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.dispose();
});

/** A client of a server that answers by `answer(message)`. */
async function clientOf(answer: string): Promise<LspClient> {
  const client = new LspClient('/', [process.execPath, '-e', `${prelude} ${answer}`]);
  clients.push(client);
  await client.ready;
  return client;
}

describe('the language server’s client', () => {
  it('matches answers with requests, whatever their order, and puts together what arrives in pieces', async () => {
    const client = await clientOf(`
      const held = [];
      function answer({ id, params }) {
        if (id === undefined) return;
        held.unshift({ id, result: 'größer ' + params.n });
        if (held.length === 2) { held.forEach(write); }
      }`);
    const both = [client.request('a', { n: 1 }), client.request('b', { n: 2 })];
    expect(await Promise.all(both)).toEqual(['größer 1', 'größer 2']);
  });

  it('answers the server’s own requests with the defaults, and passes by what it says besides', async () => {
    const client = await clientOf(`
      const answers = [];
      function answer({ id, method, params, result, error }) {
        if (method === 'begin') {
          write({ method: 'window/logMessage', params: { type: 3, message: 'hello' } });
          write({ id: 'one', method: 'workspace/configuration', params: { items: [{}, {}] } });
          write({ id: 'two', method: 'client/registerCapability', params: {} });
          this.begin = id;
        } else if (method === undefined) {
          answers.push([id, result, error]);
          if (answers.length === 2) write({ id: this.begin, result: answers });
        }
      }
      answer = answer.bind({});`);
    expect(await client.request('begin', {})).toEqual([
      ['one', [null, null], null],
      ['two', null, null],
    ]);
  });

  it('rejects with what the server reports, and goes on', async () => {
    const client = await clientOf(`
      function answer({ id, method }) {
        if (method === 'bad') write({ id, error: { code: -32603, message: 'no such file' } });
        else if (id !== undefined) write({ id, result: 1 });
      }`);
    const failed = client.request('bad', {});
    await expect(failed).rejects.toThrow(FoveaError);
    await expect(failed).rejects.toThrow('the TypeScript language server: no such file');
    expect(await client.request('good', {})).toBe(1);
    expect(client.ended).toBe(false);
  });

  it.each([
    ['ends', 'process.exit(0)'],
    ['sends what is no message', `process.stdout.write('Content-Type: nothing\\r\\n\\r\\n')`],
    ['sends a message that is no JSON', `process.stdout.write('Content-Length: 3\\r\\n\\r\\n{"a')`],
  ])('rejects every request once the server %s', async (_, fault) => {
    const client = await clientOf(`function answer({ method }) { if (method === 'fault') ${fault}; }`);
    const waiting = [client.request('quiet', {}), client.request('fault', {})];
    for (const request of waiting) await expect(request).rejects.toThrow('language server has ended');
    expect(client.ended).toBe(true);
    await expect(client.request('later', {})).rejects.toThrow('language server has ended');
    client.notify('later', {});
  });

  it('is refused where there is no server', async () => {
    const client = new LspClient('/', ['/no/such/program']);
    await expect(client.ready).rejects.toThrow('language server has ended');
    expect(client.ended).toBe(true);
  });
});
