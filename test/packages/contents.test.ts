import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { beforeAll, describe, expect, it } from 'vitest';
import { packAll, plainEnvironment, readJson, root, type Tarball } from './tarballs.js';

let folder: string;
let tarballs: readonly Tarball[];

beforeAll(() => {
  ({ folder, tarballs } = packAll());
}, 600_000);

/** The files of a tarball with their sizes. */
function filesOf(name: string): Map<string, number> {
  const { path } = tarballs.find((tarball) => tarball.name === name)!;
  const lines = execFileSync('tar', ['-tvzf', path], { encoding: 'utf8' }).trim().split('\n');
  return new Map(
    lines.map((line) => {
      const [, , size, , , file] = line.split(/\s+/);
      return [file!.replace(/^package\//, ''), Number(size)];
    }),
  );
}

/** Whether addons are built here as for a release: with GCC 12 and glibc 2.36, to run on RHEL 9 and what is newer. */
const isBuiltForOlder =
  (process.report.getReport() as { header: { glibcVersionRuntime?: string } }).header.glibcVersionRuntime ===
  '2.36';

/** The last part of the newest version of each library that an addon needs: glibc 2.x, libstdc++ 3.4.x. */
function newestVersions(elf: Buffer) {
  const newest = (pattern: RegExp) =>
    Math.max(...[...elf.toString('latin1').matchAll(pattern)].map(([, last]) => Number(last)));
  return { GLIBC: newest(/GLIBC_2\.(\d+)/g), GLIBCXX: newest(/GLIBCXX_3\.4\.(\d+)/g) };
}

const sum = (files: Map<string, number>, counts: (file: string) => boolean) =>
  [...files].reduce((total, [file, size]) => total + (counts(file) ? size : 0), 0);

describe('the tarballs', () => {
  it('are those of the engine, the kernel and the lab', () => {
    expect(tarballs.map(({ name }) => name).sort()).toEqual(['@fovea/engine', '@fovea/kernel', '@fovea/lab']);
  });

  it('hold no object files, source maps, build records or tests', () => {
    for (const { name } of tarballs) {
      const unwanted = [...filesOf(name).keys()].filter((file) =>
        /\.(o|map|tsbuildinfo|test\.\w+)$|\.fingerprint$|(^|\/)(test|src|__pycache__)\//.test(file),
      );
      expect(unwanted, name).toEqual([]);
      expect([...filesOf(name).keys()]).toEqual(
        expect.arrayContaining(['LICENSE', 'README.md', 'package.json']),
      );
    }
  });

  it.each(['engine', 'kernel'])('hold those declarations that an entry of the %s reaches', (name) => {
    const { path } = tarballs.find((tarball) => tarball.name === `@fovea/${name}`)!;
    const unpacked = join(folder, name);
    mkdirSync(unpacked, { recursive: true });
    execFileSync('tar', ['-xzf', path, '-C', unpacked]);
    const { exports } = readJson(join(unpacked, 'package/package.json'));
    const entries = Object.values<{ types?: string }>(exports).flatMap(({ types }) => types ?? []);
    const reached = new Set<string>();
    const reach = (file: string, from: string) => {
      expect(existsSync(file), `${file}, which ${from} imports`).toBe(true);
      if (reached.has(file)) return;
      reached.add(file);
      const imports = readFileSync(file, 'utf8').matchAll(
        /(?:from|import|import\()\s*['"](\.[^'"]+)\.js['"]/g,
      );
      for (const [, place] of imports) reach(resolve(dirname(file), `${place}.d.ts`), file);
    };
    for (const entry of entries) reach(join(unpacked, 'package', entry), 'package.json');
    const packed = [...filesOf(`@fovea/${name}`).keys()].filter((file) => file.endsWith('.d.ts'));
    expect(packed.map((file) => join(unpacked, 'package', file)).sort()).toEqual([...reached].sort());
  });

  it.each(['engine', 'kernel'])('hold all JavaScript of the %s', (name) => {
    const built = readdirSync(join(root, name, 'lib'), { recursive: true, encoding: 'utf8' });
    expect([...filesOf(`@fovea/${name}`).keys()]).toEqual(
      expect.arrayContaining(built.filter((file) => file.endsWith('.js')).map((file) => `lib/${file}`)),
    );
  });

  it('document what can be imported, and nothing else', () => {
    const { path } = tarballs.find(({ name }) => name === '@fovea/engine')!;
    const declarations = (file: string) =>
      execFileSync('tar', ['-xzOf', path, `package/lib/${file}.d.ts`], { encoding: 'utf8' });
    for (const file of ['run/run', 'network/network', 'predict/search', 'errors'])
      expect(declarations(file), file).toContain('/**');
    for (const file of ['program/builder', 'backends/native/session']) {
      expect(declarations(file), file).toContain('export declare class');
      expect(declarations(file), file).not.toContain('/**');
    }
  });

  it('keep to their budgets', () => {
    const engine = filesOf('@fovea/engine');
    expect(sum(engine, (file) => !/^(models|native\/prebuilds)\//.test(file))).toBeLessThan(2_000_000);
    for (const [file, size] of engine)
      if (file.startsWith('native/prebuilds/')) expect(size, file).toBeLessThan(1_000_000);
    expect(sum(filesOf('@fovea/kernel'), () => true)).toBeLessThan(2_000_000);
    expect(sum(filesOf('@fovea/lab'), () => true)).toBeLessThan(30_000_000);
  });

  it('hold addons as prebuilt, each found on its processors, and what compiles one elsewhere', () => {
    const engine = [...filesOf('@fovea/engine').keys()];
    expect(engine).toEqual(
      expect.arrayContaining(['native/build.mjs', 'native/install.mjs', 'native/module.cc']),
    );
    if (process.platform !== 'linux') return;
    const crosses =
      process.arch === 'arm64' || spawnSync('aarch64-linux-gnu-g++', ['--version']).status === 0;
    const architectures = new Set([process.arch, ...(crosses ? ['arm64'] : [])]);
    const { path } = tarballs.find(({ name }) => name === '@fovea/engine')!;
    const unpacked = join(folder, 'addons');
    mkdirSync(unpacked);
    execFileSync('tar', ['-xzf', path, '-C', unpacked]);
    const native = join(unpacked, 'package/native');
    for (const architecture of ['x64', 'arm64', 'riscv64']) {
      const { stdout, stderr } = spawnSync(
        process.execPath,
        ['-p', `require('node-gyp-build').path(${JSON.stringify(native)})`],
        { cwd: root, encoding: 'utf8', env: { ...plainEnvironment(), npm_config_arch: architecture } },
      );
      if (!architectures.has(architecture)) {
        expect(stderr).toContain('No native build was found');
        continue;
      }
      const file = stdout.trim();
      expect(relative(native, file)).toMatch(
        new RegExp(`^prebuilds/linux-${architecture}/fovea\\.(glibc|musl)\\.node$`),
      );
      const elf = readFileSync(file);
      // The machine that an ELF file is for.
      expect(elf.readUInt16LE(18)).toBe({ x64: 62, arm64: 183 }[architecture]);
      if (isBuiltForOlder) expect(newestVersions(elf)).toEqual({ GLIBC: 34, GLIBCXX: 29 });
    }
    expect(engine.filter((file) => file.endsWith('.node'))).toHaveLength(architectures.size);
  });

  it('are what publint and arethetypeswrong accept', async () => {
    for (const { name, path } of tarballs) {
      const bytes = new Uint8Array(readFileSync(path));
      const { messages, pkg } = await publint({ pack: { tarball: bytes.buffer }, strict: true });
      expect(
        messages.map((message) => formatMessage(message, pkg)),
        name,
      ).toEqual([]);
      const result = await checkPackage(createPackageFromTarballData(bytes));
      if (!result.types) continue;
      // ES modules only: neither `require` without a bundler nor the resolution of Node 10 is promised.
      const problems = result.problems.filter(
        (problem) =>
          problem.kind !== 'CJSResolvesToESM' &&
          !(problem.kind === 'NoResolution' && problem.resolutionKind === 'node10'),
      );
      expect(problems, name).toEqual([]);
    }
  });
});

it('one version stands in all manifests, and those of each other that they ask for', () => {
  const manifests = ['.', 'engine', 'kernel', 'extension', 'extension/app', 'docs'].map((path) =>
    readJson(join(root, path, 'package.json')),
  );
  const [{ version }] = manifests;
  for (const manifest of manifests) {
    expect(manifest.version, manifest.name).toBe(version);
    const wanted = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    for (const [name, range] of wanted) if (name.startsWith('@fovea/')) expect(range, name).toBe(version);
  }
});
