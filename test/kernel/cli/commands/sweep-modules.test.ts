// @module-tag process
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { EmbeddedBackend } from '../../../../kernel/src/sweep/embedded/backend.js';
import { Runner } from '../../../../kernel/src/sweep/runner/runner.js';
import { importModules, moduleMaterial } from '../../../../kernel/src/sweep/strategy-module.js';
import { Sweep } from '../../../../kernel/src/sweep/sweep.js';
import { expectSaidOnce } from '../../../engine/support/said-once.js';
import { useDataFolder } from '../../../support/data-folder.js';
import { fixture, fovea } from '../run-fovea.js';

const folder = useDataFolder();

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

/** A module of one's own, in TypeScript, that takes where it changes from another file. */
function strategyModule(firstDense: number): string {
  file('late.ts', `export const firstDense: number = ${firstDense};\n`);
  return file(
    'strategies.ts',
    `import { getStrategy, registerStrategy } from '@fovea/engine';
import { firstDense } from './late.js';

registerStrategy({
  name: 'dense-late',
  description: 'dense in the last stages',
  plan: (context) => getStrategy(context.block.stage >= firstDense ? 'dense' : 'streamed').plan(context),
});
`,
  );
}

function space(name: string, more: object): string {
  const networks = [fixture('lasnet-tiny.safetensors')];
  const common = { networks, maskers: ['random'], rates: [0.5], runs: 1, threads: [1], data: { images: 2 } };
  return file(`${name}.json`, JSON.stringify({ name, ...common, ...more }));
}

async function recordsOf(spec: string, ...options: string[]) {
  const out = join(folder, 'records.jsonl');
  const { code, stderr } = await fovea('sweep', spec, '--out', out, ...options);
  if (code !== 0) throw new Error(stderr);
  const lines = readFileSync(out, 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as { id: string; point: object; result: { flops: number } });
}

describe('a sweep over strategies of one’s own', () => {
  it('runs them from the modules that register them, and again when a file of theirs has changed', async () => {
    const modules = [strategyModule(0)];
    const spec = space('own', { modules, strategies: ['dense-late', 'streamed'] });
    const [own, streamed] = await recordsOf(spec);
    expect(own).toMatchObject({ point: { strategy: 'dense-late' }, result: { flops: 1 } });
    expect(streamed!.result.flops).toBeLessThan(1);
    expect((await recordsOf(spec))[0]!.id).toBe(own!.id);
    strategyModule(99);
    const [changed] = await recordsOf(spec);
    expect(changed!.id).not.toBe(own!.id);
    expect(changed!.result.flops).toBe(streamed!.result.flops);
  });

  it('finds what is wrong with modules before anything runs', async () => {
    const modules = [strategyModule(0)];
    const failing = file('failing.ts', "throw new Error('not today');\n");
    for (const [name, more, message] of [
      ['unknown', { modules, strategies: ['dense-early'] }, /strategies\[0\] "dense-early": .*dense-late/],
      ['failing', { modules: [failing], strategies: ['dense'] }, /failing\.ts cannot be loaded: not today/],
      ['missing', { modules: [join(folder, 'none.ts')] }, /none\.ts/],
      ['misspelt', { modules: 'strategies.ts' }, /modules "strategies\.ts": a list of paths/],
      ['empty', { modules: [] }, /modules \[\]: a list of paths/],
      ['useless', { modules, kind: 'fit', maskers: undefined }, /modules: points of kind fit have no use/],
    ] as const) {
      const { code, stderr } = await fovea('sweep', space(name, more));
      expect([code, stderr], name).toEqual([1, expect.stringMatching(message)]);
    }
  });
});

it('a sweep started by code says once what a module threw', async () => {
  const strategies = vi.spyOn(Runner.prototype, 'strategies');
  strategies.mockRejectedValue(new Error('late.ts cannot be loaded: not today'));
  const backend = new EmbeddedBackend();
  const begin = () => Sweep.start({ networks: ['quick-look'], modules: [strategyModule(0)] }, { backend });
  await expectSaidOnce(begin, 'bad-file', /^modules: late\.ts cannot be loaded: not today$/);
  await backend.close();
  strategies.mockRestore();
});

describe('a sweep on a queue', () => {
  it('takes no modules: its workers run no code but their own', async () => {
    const backend = Object.assign(new EmbeddedBackend(), { queue: 'localhost:6379/0' });
    const modules = [strategyModule(0)];
    await expect(Sweep.start({ networks: ['quick-look'], modules }, { backend })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/^modules: /),
    });
    await backend.close();
  });
});

describe('the modules of a point', () => {
  it('are not imported where they were not handed over, or have changed', async () => {
    const path = strategyModule(1);
    const { sha256 } = await moduleMaterial(path);
    await expect(importModules([sha256], {})).rejects.toMatchObject({ code: 'unsupported' });
    strategyModule(2);
    await expect(importModules([sha256], { [sha256]: path })).rejects.toMatchObject({
      code: 'bad-file',
      message: `${path} has changed since the sweep was started; start it again`,
    });
  });
});
