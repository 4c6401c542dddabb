import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const folder = fileURLToPath(new URL('../../../engine/', import.meta.url));
const { exports } = JSON.parse(readFileSync(`${folder}package.json`, 'utf8')) as {
  exports: Record<string, string>;
};

/** What a program prints that has imported nothing but one entry of the engine. */
function printed(entry: string, program: string): string {
  const code = `const engine = await import('@fovea/engine${entry.slice(1)}'); ${program}`;
  return execFileSync(process.execPath, ['--input-type=module', '-e', code], {
    cwd: folder,
    encoding: 'utf8',
  }).trim();
}

const network = "(await import('./lib/network/built/index.js')).builtNetwork('resnet18')";

describe('entries of the engine', () => {
  it.each(Object.keys(exports).filter((entry) => entry !== './package.json'))(
    '%s can be imported',
    (entry) => {
      expect(Number(printed(entry, 'console.log(Object.keys(engine).length)'))).toBeGreaterThan(0);
    },
  );

  it('hide the helpers behind them', () => {
    const names = printed('.', 'console.log(Object.keys(engine).join(" "))').split(' ');
    for (const helper of ['median', 'replaceFile', 'ProfileBuilder', 'summarise', 'passLabel']) {
      expect(names).not.toContain(helper);
    }
    expect(names).toContain('run');
  });

  it.each([
    ['.', `engine.makePlan(${network}, { strategy: 'auto' }).strategy`],
    [
      './predict',
      `(await engine.benchmark(${network}, { strategy: 'auto', masker: 'random', rates: [0.5], runs: 1 })).strategy`,
    ],
    ['./backend', `engine.programOf(${network}, { strategy: 'auto' }).steps.length > 0`],
    [
      './train',
      `(await engine.measureAccuracy(${network}, await engine.generateDataset({ seed: 1, count: 1, size: 64 }), { strategy: 'auto', repeats: 1 })).latency.strategy`,
    ],
  ])('%s knows every built-in strategy by itself', (entry, expression) => {
    expect(printed(entry, `console.log(${expression})`)).toMatch(/^(?:auto|true)$/);
  });
});
