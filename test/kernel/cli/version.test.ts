// @module-tag process
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { fovea } from './run-fovea.js';

const { version } = JSON.parse(
  readFileSync(new URL('../../../kernel/package.json', import.meta.url), 'utf8'),
) as { version: string };

it.each(['--version', '-V'])('fovea %s says the version alone', async (option) => {
  expect(await fovea(option)).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});
