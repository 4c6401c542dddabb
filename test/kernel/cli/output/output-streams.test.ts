// @module-tag process
import { spawn } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canTrain } from '@fovea/engine/train';
import { afterAll, describe, expect, it } from 'vitest';
import { entry, fovea } from '../run-fovea.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-output-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a command whose standard output (or error, too) nobody reads. */
function unread(args: readonly string[], ...closed: ('stdout' | 'stderr')[]) {
  const child = spawn(process.execPath, [entry, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const name of closed) child[name].destroy();
  let stderr = '';
  child.stderr.on('data', (text) => (stderr += text));
  return new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, stderr }));
  });
}

describe('output of commands', () => {
  it('may be left unread, as by head', async () => {
    const quiet = { code: 0, stderr: '' };
    expect(await unread(['predict', 'resnet18', '--device', 'v100', '--json'], 'stdout')).toEqual(quiet);
    expect(await unread(['--help'], 'stdout')).toEqual(quiet);
  });

  it.skipIf(!canTrain())('left unread ends no run that saves its result', async () => {
    const recipe = join(folder, 'recipe.json');
    const architecture = { kind: 'basic', layers: [1], width: 8, size: 64, classes: 10, granularity: [1] };
    const dense = { epochs: 1, rate: 0.05, decay: 1e-4 };
    const data = { kind: 'generated', train: 16, test: 10 };
    writeFileSync(recipe, JSON.stringify({ name: 'tiny', seed: 1, batch: 8, architecture, data, dense }));
    const output = join(folder, 'tiny.safetensors');
    const { code } = await unread(['train', recipe, '--output', output], 'stdout', 'stderr');
    expect(code).toBe(0);
    expect(existsSync(output)).toBe(true);
  });

  it.skipIf(!existsSync('/dev/full'))('that cannot be written fails with the reason', async () => {
    const full = openSync('/dev/full', 'w');
    const child = spawn(process.execPath, [entry, 'predict', 'resnet18', '--device', 'v100'], {
      stdio: ['ignore', full, 'pipe'],
    });
    closeSync(full);
    let stderr = '';
    child.stderr!.on('data', (text) => (stderr += text));
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect([code, stderr]).toEqual([1, 'fovea: cannot write the output: the disk is full\n']);
  });

  it('is an error for a command that is none, even one that every object has', async () => {
    const { code, stderr } = await fovea('constructor');
    expect(code).toBe(1);
    expect(stderr).toContain("error: unknown command 'constructor'");
  });
});
