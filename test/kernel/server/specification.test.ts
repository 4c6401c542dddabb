import { expect, it } from 'vitest';
import { serverWithApi } from './support/api.js';

const lab = serverWithApi();

/** Methods and paths of an OpenAPI description in YAML, by its indentation. */
function operationsIn(yaml: string): (readonly [method: string, path: string])[] {
  const found: (readonly [string, string])[] = [];
  let path = '';
  for (const line of yaml.split('\ncomponents:')[0]!.split('\n')) {
    path = /^ {2}(\/.*):$/.exec(line)?.[1] ?? path;
    const method = /^ {4}(get|put|post|patch|delete):$/.exec(line)?.[1];
    if (method) found.push([method.toUpperCase(), path]);
  }
  return found;
}

it('every operation of the description is served', async () => {
  const answer = await lab.ask('GET', '/api/spec.yaml');
  expect(answer.headers.get('content-type')).toBe('text/x-yaml; charset=utf-8');
  const operations = operationsIn(answer.body);
  expect(operations.length).toBeGreaterThan(30);
  await lab.save('a.txt', 'x');
  for (const [method, path] of operations.filter(([, path]) => path !== '/api/shutdown')) {
    const asked = await lab.ask(method, path.replace('{path}', 'a.txt').replace('{id}', 'none'));
    expect(String(asked.body?.message), `${method} ${path}`).not.toMatch(/^Not found$|not allowed here/);
    if (method === 'DELETE') await lab.save('a.txt', 'x');
  }
});
