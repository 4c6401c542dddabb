import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { npmProgram } from '../../../kernel/src/execution/runtime/npm-program.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'fovea-npm-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe('the npm that %npm runs', () => {
  it.each([
    ['Windows', 'node.exe', 'node_modules/npm/bin/npm-cli.js'],
    ['other systems', 'bin/node', 'lib/node_modules/npm/bin/npm-cli.js'],
  ])('is the one that came with Node: on %s', (_, program, script) => {
    const [node, npm] = [join(folder, program), join(folder, script)];
    mkdirSync(dirname(npm), { recursive: true });
    writeFileSync(npm, '');
    expect(npmProgram(node)).toEqual([node, npm]);
  });

  it('is that of the PATH where none came with Node', () => {
    expect(npmProgram(join(folder, 'bin/node'))).toEqual(['npm']);
  });
});
