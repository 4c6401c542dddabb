import { describe, expect, it } from 'vitest';
import { startServer } from './support/server.js';

/** What a lab with these options prints when it starts. */
async function printedBy(options: Parameters<typeof startServer>[0]): Promise<string[]> {
  const lines: string[] = [];
  const lab = await startServer({ ...options, log: (line) => lines.push(line) });
  await lab.close();
  return lines;
}

describe('a lab without a token', () => {
  it.each([{ ip: '0.0.0.0' }, { allowHosts: ['lab.example.org'] }, { trustProxies: ['127.0.0.1'] }])(
    'that others can reach (%j) says that they can run programs',
    async (options) => {
      expect(await printedBy({ ...options, token: '' })).toEqual([
        expect.stringMatching(/^no token is set: anyone who reaches this address can run programs as you/),
      ]);
      expect(await printedBy({ ...options, token: 'secret' })).toEqual([]);
    },
  );

  it('that only this machine reaches says nothing', async () => {
    expect(await printedBy({ token: '' })).toEqual([]);
  });
});
