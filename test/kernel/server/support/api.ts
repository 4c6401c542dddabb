import { afterAll, beforeAll } from 'vitest';
import type { LabServerOptions } from '../../../../kernel/src/server/server.js';
import { startServer, type TestServer } from './server.js';

/** What the REST API answered: the status, and the body where it is JSON. */
export interface ApiAnswer {
  readonly status: number;
  /** Whatever came; tests look into it. */
  readonly body: any;
  readonly headers: Headers;
}

/** Asks a server's REST API with the token; a body goes as JSON, text as it is. */
export async function ask(
  server: TestServer,
  method: string,
  path: string,
  body?: unknown,
): Promise<ApiAnswer> {
  const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
  const answer = await server.fetch(path, { method, ...sent });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.startsWith('application/json');
  return { status: answer.status, body: isJson ? JSON.parse(text) : text, headers: answer.headers };
}

/** A server for all tests of a file, and its REST API. */
export function serverWithApi(options: Partial<LabServerOptions> = {}) {
  let server: TestServer;
  beforeAll(async () => {
    server = await startServer(options);
  });
  afterAll(() => server.close());
  return {
    get server() {
      return server;
    },
    ask: (method: string, path: string, body?: unknown) => ask(server, method, path, body),
    /** Saves a text file. */
    save: (path: string, content: string) =>
      ask(server, 'PUT', `/api/contents/${path}`, { type: 'file', format: 'text', content }),
  };
}
