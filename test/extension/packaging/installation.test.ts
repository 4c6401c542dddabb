import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { processSpace } from '@fovea/engine/files';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  dataFolderOf,
  type InstallPaths,
  install,
  installPaths,
  uninstall,
} from '../../../kernel/src/cli/machine/installation.js';
import { userDataFolder } from '../../../kernel/src/server/jupyter-paths.js';

/** Whether folders can be removed. */
let isBroken = false;
vi.mock('node:fs/promises', async (actual) => {
  const promises = await actual<typeof import('node:fs/promises')>();
  const rm: typeof promises.rm = async (path, options) => {
    if (isBroken) throw Object.assign(new Error('EIO: removal breaks off'), { code: 'EIO' });
    return promises.rm(path, options);
  };
  return { ...promises, rm };
});

const BUILT = fileURLToPath(new URL('../../../extension/dist/@fovea/lab', import.meta.url));

const filesBelow = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true }) as string[])
    .filter((name) => statSync(join(folder, name)).isFile())
    .sort();

describe('where the parts go', () => {
  it('a prefix means its share/jupyter, nothing means the user', () => {
    expect(dataFolderOf({ prefix: '/opt/env' })).toBe('/opt/env/share/jupyter');
    expect(dataFolderOf({})).toBe(userDataFolder());
    expect(dataFolderOf({ user: true })).toBe(userDataFolder());
  });

  it('only one place at a time', () => {
    expect(() => dataFolderOf({ user: true, prefix: '/opt/env' })).toThrow(
      'Only one of --user, --prefix DIR',
    );
  });

  it("the active environment's prefix", () => {
    const before = process.env.VIRTUAL_ENV;
    process.env.VIRTUAL_ENV = '/opt/active';
    try {
      expect(dataFolderOf({ sysPrefix: true })).toBe('/opt/active/share/jupyter');
    } finally {
      if (before === undefined) delete process.env.VIRTUAL_ENV;
      else process.env.VIRTUAL_ENV = before;
    }
  });
});

describe.skipIf(!existsSync(join(BUILT, 'package.json')))('fovea install (needs npm run build)', () => {
  let base: string;
  let paths: InstallPaths;

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'fovea-install-'));
    paths = installPaths(dataFolderOf({ prefix: base }));
  });
  afterEach(() => {
    isBroken = false;
    rmSync(base, { recursive: true, force: true });
  });

  /** What Jupyter takes for kernels and extensions. */
  const seen = () => ({
    kernels: readdirSync(dirname(paths.kernelspec)),
    extensions: readdirSync(dirname(paths.labextension)),
  });

  it('has no half of a folder where Jupyter looks when it breaks off', async () => {
    await install(paths, '');
    isBroken = true;
    await expect(install(paths, '')).rejects.toThrow('breaks off');
    expect(seen()).toEqual({ kernels: ['fovea'], extensions: ['lab'] });
    expect(filesBelow(paths.labextension)).toEqual([...filesBelow(BUILT), 'install.json'].sort());
    await expect(uninstall(paths)).rejects.toThrow('breaks off');
    expect(seen()).toEqual({ kernels: ['fovea'], extensions: [] });
  });

  it('removes what processes that were killed have left, with the next call', async () => {
    const left = join(paths.dataFolder, `.~fovea-${processSpace}-999999999-left`);
    for (const call of [() => install(paths, ''), () => uninstall(paths)]) {
      mkdirSync(join(left, 'static'), { recursive: true });
      await call();
      expect(existsSync(left)).toBe(false);
    }
  });

  it('copies the labextension whole, with a note on how it goes away', async () => {
    await install(paths, 'fovea uninstall --user');
    expect(filesBelow(paths.labextension)).toEqual([...filesBelow(BUILT), 'install.json'].sort());
    expect(JSON.parse(readFileSync(join(paths.labextension, 'install.json'), 'utf8'))).toEqual({
      packageManager: 'npm',
      packageName: '@fovea/lab',
      uninstallInstructions: 'Run fovea uninstall --user',
    });
  });

  it('writes a kernelspec with absolute paths, interrupts by message, a debugger and three logos', async () => {
    await install(paths, '');
    expect(filesBelow(paths.kernelspec)).toEqual([
      'kernel.json',
      'logo-32x32.png',
      'logo-64x64.png',
      'logo-svg.svg',
    ]);
    const spec = JSON.parse(readFileSync(join(paths.kernelspec, 'kernel.json'), 'utf8'));
    expect(spec).toMatchObject({
      language: 'typescript',
      interrupt_mode: 'message',
      metadata: { debugger: true, supported_encryption: ['curve'] },
    });
    const [node, entry, ...rest] = spec.argv;
    expect(node).toBe(process.execPath);
    expect(existsSync(entry)).toBe(true);
    expect(rest).toEqual(['kernel', '-f', '{connection_file}']);
  });

  it('installs over an earlier installation, of which nothing stays', async () => {
    await install(paths, '');
    writeFileSync(join(paths.labextension, 'static', 'old.js'), '');
    await install(paths, '');
    expect(existsSync(join(paths.labextension, 'static', 'old.js'))).toBe(false);
    expect(readdirSync(dirname(paths.kernelspec))).toEqual(['fovea']);
  });

  it('uninstalls what it installed and nothing else', async () => {
    const others = [
      join(paths.dataFolder, 'kernels/python3/kernel.json'),
      join(paths.dataFolder, 'labextensions/other/package.json'),
    ];
    for (const file of others) {
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, '{}');
    }
    await install(paths, '');
    expect(await uninstall(paths)).toEqual([paths.labextension, paths.kernelspec]);
    expect(filesBelow(base)).toEqual(others.map((file) => file.slice(base.length + 1)).sort());
    expect(existsSync(dirname(paths.labextension))).toBe(false);
    expect(await uninstall(paths)).toEqual([]);
  });

  it("leaves another's kernel of the same name alone", async () => {
    mkdirSync(paths.kernelspec, { recursive: true });
    writeFileSync(join(paths.kernelspec, 'kernel.json'), '{"argv":["python","-m","fovea_kernel"]}');
    await expect(install(paths, '')).rejects.toThrow('holds another kernel');
    await uninstall(paths);
    expect(existsSync(paths.kernelspec)).toBe(true);
  });

  it("removes only the link where a developer's link stands", async () => {
    mkdirSync(dirname(paths.labextension), { recursive: true });
    symlinkSync(BUILT, paths.labextension);
    expect(await uninstall(paths)).toEqual([paths.labextension]);
    expect(existsSync(join(BUILT, 'package.json'))).toBe(true);
  });
});
