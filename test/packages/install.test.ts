import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packAll, plainEnvironment, readJson, type Tarball } from './tarballs.js';

const work = mkdtempSync(join(tmpdir(), 'fovea-install-'));
// Without its CUDA libraries, which the install script of onnxruntime would fetch.
const environment = {
  ...plainEnvironment(),
  ONNXRUNTIME_NODE_INSTALL: 'skip',
  JUPYTER_DATA_DIR: join(work, 'data'),
  // Not the calibration of the user who runs the tests, which may be of another version.
  FOVEA_DATA_DIR: join(work, 'fovea'),
};
let packed: { folder: string; tarballs: readonly Tarball[] };

beforeAll(() => {
  packed = packAll();
}, 600_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs a command in a folder to its end. */
function output(
  folder: string,
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = environment,
) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: folder, env, encoding: 'utf8' });
  return { status, text: `${stdout}${stderr}` };
}

/** Installs the tarballs into an empty folder; a registry that cannot be reached skips the test. */
function install(context: { skip(reason: string): void }, name: string, ...options: string[]): string {
  const folder = join(work, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const { status, text } = output(folder, 'npm', [
    'install',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    ...options,
    ...packed.tarballs.map(({ path }) => path),
  ]);
  if (/ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH/.test(text)) context.skip('no npm registry');
  expect(status, text).toBe(0);
  expect(text).not.toMatch(/EBADENGINE|Unknown \w+ config|deprecated|ERESOLVE/);
  return folder;
}

/** Runs a network in a program that imports the engine by its name, and returns what it prints. */
function runNetwork(folder: string, env?: NodeJS.ProcessEnv): string {
  writeFileSync(
    join(folder, 'program.mjs'),
    `import { builtNetwork, run, Tensor } from '@fovea/engine';
import { measureAccuracy } from '@fovea/engine/train';
import { display } from '@fovea/kernel';
const { profile } = await run(builtNetwork('resnet18'), Tensor.zeros([1, 64, 64, 3]));
console.log(profile.source, typeof measureAccuracy, typeof display);
`,
  );
  return output(folder, process.execPath, ['program.mjs'], env).text.trim();
}

/** Starts `fovea lab` and resolves to the address that it prints. */
function startLab(folder: string): Promise<{ lab: ChildProcess; url: URL }> {
  const entry = join(folder, 'node_modules', '.bin', 'fovea');
  const lab = spawn(process.execPath, [entry, 'lab', '--port', '0', '--no-browser'], {
    cwd: folder,
    env: environment,
  });
  return new Promise((resolve, reject) => {
    let text = '';
    lab.stdout.on('data', (chunk) => {
      text += chunk;
      const address = /Fovea is ready:\s+(\S+)/.exec(text)?.[1];
      if (address) resolve({ lab, url: new URL(address) });
    });
    lab.stderr.on('data', (chunk) => (text += chunk));
    lab.on('close', () => reject(new Error(`the lab ended: ${text}`)));
  });
}

describe('the three tarballs in an empty folder', () => {
  it('give a lab, a doctor without complaints and the native backend', {
    timeout: 600_000,
  }, async (context) => {
    const folder = install(context, 'plain');
    const doctor = output(folder, 'npx', ['--no-install', 'fovea', 'doctor']);
    expect(doctor.text).not.toMatch(/warn|FAIL/);
    expect(doctor.text).toMatch(/^ok {4}native kernels: native/m);
    expect(doctor.text).toMatch(/^ok {4}lab application: .*@fovea\/lab/m);
    expect(doctor.status).toBe(0);
    expect(runNetwork(folder)).toMatch(/^native \S+ function function$/);

    const { lab, url } = await startLab(folder);
    try {
      const get = (path: string) =>
        fetch(new URL(path, url), { headers: { authorization: `token ${token}` } });
      const token = url.searchParams.get('token');
      const page = await (await get('/lab')).text();
      expect(page).toContain('@fovea/lab');
      expect(page).toContain(`"appVersion"`);
      const script = /src="([^"]+\.js[^"]*)"/.exec(page)![1]!;
      expect((await get(script)).status).toBe(200);
      const { kernelspecs } = (await (await get('/api/kernelspecs')).json()) as { kernelspecs: object };
      expect(Object.keys(kernelspecs)).toContain('fovea');
    } finally {
      lab.kill();
    }
  });

  it('work with --ignore-scripts; without a prebuilt addon and a compiler they say what is lost', {
    timeout: 600_000,
  }, (context) => {
    const folder = install(context, 'bare', '--ignore-scripts');
    expect(runNetwork(folder)).toMatch(/^native /);
    expect(output(folder, 'npx', ['--no-install', 'fovea', 'doctor']).text).not.toMatch(/warn|FAIL/);

    const engine = join(folder, 'node_modules/@fovea/engine');
    rmSync(join(engine, 'native/prebuilds'), { recursive: true });
    const tools = join(work, 'no-compiler');
    mkdirSync(tools);
    const poor = { ...environment, PATH: `${tools}:${dirname(process.execPath)}`, CXX: '' };
    const { scripts } = readJson(join(engine, 'package.json'));
    expect(scripts.install).toBe('node native/install.mjs');
    // /usr/bin may hold Node and a compiler both: the compiler's names are taken by programs that fail.
    for (const name of ['c++', 'g++', 'clang++']) {
      writeFileSync(join(tools, name), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
    }
    const built = output(engine, process.execPath, ['native/install.mjs'], poor);
    expect(built.status).toBe(0);
    expect(built.text).toMatch(/no C\+\+ compiler found.*native backend is left out.*onnxruntime/);
    const doctor = output(folder, process.execPath, ['node_modules/.bin/fovea', 'doctor'], poor);
    expect(doctor.text).toMatch(
      /^warn {2}native kernels: .*with a C\+\+ compiler `node .*native\/build\.mjs` builds it; networks run in onnxruntime/m,
    );
    expect(doctor.text).toMatch(/^ok {4}onnxruntime: onnx/m);
    expect(doctor.status).toBe(0);
    expect(runNetwork(folder, poor)).toBe('onnx function function');
  });
});
