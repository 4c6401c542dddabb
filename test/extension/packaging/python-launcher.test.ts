import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';

const modules = fileURLToPath(new URL('../../../kernel/resources/python', import.meta.url));
const { status, stdout } = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
});
const python = stdout?.trim();
const work = mkdtempSync(join(tmpdir(), 'fovea-launcher-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** A folder of programs: `node`, `npm` or `fovea` by what each prints. */
function programs(name: string, scripts: Readonly<Record<string, string>>): string {
  const folder = join(work, name);
  mkdirSync(folder);
  for (const [program, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, program), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  return folder;
}

function launch(path: string, folder = work) {
  const result = spawnSync(python!, ['-m', 'fovea_kernel', 'kernel', '-f', 'a.json'], {
    cwd: folder,
    encoding: 'utf8',
    env: { PATH: path, PYTHONPATH: modules, PYTHONDONTWRITEBYTECODE: '1' },
  });
  return { code: result.status, text: `${result.stdout}${result.stderr}`.trim() };
}

const node = (version: string) => `if [ "$1" = --version ]; then echo ${version}; else echo "node $*"; fi`;

describe.skipIf(status !== 0 || process.platform === 'win32')('python -m fovea_kernel (needs Python)', () => {
  it('becomes the command fovea that is on the PATH', () => {
    expect(launch(programs('command', { fovea: 'echo "fovea $*"; exit 3' }))).toEqual({
      code: 3,
      text: 'fovea kernel -f a.json',
    });
  });

  it('says where Node comes from when there is none, or one that is too old', () => {
    expect(launch(programs('nothing', {}))).toEqual({
      code: 1,
      text: expect.stringMatching(/needs Node 20\.9 or later, and `node` is not on the PATH; .*nodejs\.org/),
    });
    expect(launch(programs('old', { node: node('v18.20.1') })).text).toMatch(
      /node is v18\.20\.1; install it/,
    );
  });

  it('finds the package in node_modules of a folder above, else globally, else says how to get it', () => {
    const path = programs('empty-npm', { node: node('v20.9.0'), npm: `echo ${join(work, 'global')}` });
    const { code, text } = launch(path);
    expect(code).toBe(1);
    expect(text).toMatch(/npm install --global --ignore-scripts @fovea\/kernel/);

    const install = (folder: string) => {
      mkdirSync(join(folder, '@fovea/kernel/bin'), { recursive: true });
      writeFileSync(join(folder, '@fovea/kernel/bin/fovea.js'), '');
      return join(folder, '@fovea/kernel/bin/fovea.js');
    };
    const everywhere = install(join(work, 'global'));
    expect(launch(path).text).toBe(`node ${everywhere} kernel -f a.json`);
    const project = join(work, 'project');
    const own = install(join(project, 'node_modules'));
    mkdirSync(join(project, 'notebooks'));
    expect(launch(path, join(project, 'notebooks')).text).toBe(`node ${own} kernel -f a.json`);
  });
});
