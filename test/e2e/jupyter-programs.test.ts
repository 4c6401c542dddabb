import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FOVEA, jupyterEnvironment, labEnvironment, ROOT, run } from './support/python-environment.js';

const programs = await labEnvironment();

interface Cell {
  readonly source: string | readonly string[];
  readonly outputs: readonly {
    readonly text?: readonly string[];
    readonly data?: Record<string, string[]>;
  }[];
}

const cellsOf = (file: string): Cell[] => JSON.parse(readFileSync(file, 'utf8')).cells;
const sourceOf = ({ source }: Cell) => [source].flat().join('');
const printed = ({ outputs }: Cell) => outputs.flatMap(({ text }) => text ?? []).join('');

describe.skipIf(programs.unavailable !== undefined)(
  'programs that run notebooks (needs PyPI and npm run build)',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-programs-'));
    const notebook = join(folder, 'in.ipynb');
    const env = { ...jupyterEnvironment(folder), PYTHONPATH: join(folder, 'site') };

    beforeAll(async () => {
      await run(process.execPath, [FOVEA, 'install', '--prefix', programs.prefix]);
      const cell = (source: string, tags: string[] = []) => ({
        cell_type: 'code',
        id: `cell-${source.length}`,
        metadata: { tags },
        source,
        outputs: [],
        execution_count: null,
      });
      const content = {
        nbformat: 4,
        nbformat_minor: 5,
        metadata: {
          kernelspec: { name: 'fovea', display_name: 'Fovea', language: 'typescript' },
          language_info: { name: 'typescript' },
        },
        cells: [
          cell("const rate: number = 0.5; // of the blocks\nconst model: unknown = 'none';", ['parameters']),
          cell('console.log(JSON.stringify([rate * 2, model]));'),
        ],
      };
      writeFileSync(notebook, JSON.stringify(content));
    }, 60_000);

    afterAll(async () => {
      await run(process.execPath, [FOVEA, 'uninstall', '--prefix', programs.prefix]);
      rmSync(folder, { recursive: true, force: true });
    });

    it('nbconvert --execute', async () => {
      const output = ['--to', 'notebook', '--output', 'converted.ipynb'];
      await run(programs.bin('jupyter'), ['nbconvert', '--execute', ...output, notebook], { env });
      expect(printed(cellsOf(join(folder, 'converted.ipynb'))[1]!)).toBe('[1,"none"]\n');
    });

    describe('papermill, with what the wheel brings', () => {
      const out = join(folder, 'out.ipynb');
      const papermill = (...words: string[]) => run(programs.bin('papermill'), words, { env, cwd: folder });

      beforeAll(async () => {
        // Builds first what has changed since the last build.
        await run(process.execPath, ['scripts/wheel.mjs', folder], { cwd: ROOT });
        const wheel = join(folder, readdirSync(folder).find((name) => name.endsWith('.whl'))!);
        const target = ['--no-deps', '--no-index', '--target', join(folder, 'site')];
        await run(programs.bin('pip'), ['install', '--quiet', ...target, wheel]);
      }, 300_000);

      it('writes the parameters as TypeScript and runs the notebook', async () => {
        const model = { 'a "b"\\': [1.5, null, true, '\n'], ['__proto__']: { c: -1 } };
        const json = JSON.stringify({ model });
        await papermill('in.ipynb', out, '-p', 'rate', '21', '-y', json, '-p', 'size', '9007199254740993');
        const [, parameters, last] = cellsOf(out) as [Cell, Cell, Cell];
        expect(sourceOf(parameters)).toContain('let rate = 21;');
        expect(sourceOf(parameters)).toContain('let size = 9007199254740993n;');
        expect(printed(last)).toBe(`${JSON.stringify([42, model])}\n`);
      });

      it('lists the parameters of a notebook', async () => {
        // This option of papermill exits with 1 whatever it found.
        const { stdout } = spawnSync(programs.bin('papermill'), ['--help-notebook', 'in.ipynb'], {
          env,
          cwd: folder,
          encoding: 'utf8',
        });
        expect(stdout).toMatch(/rate: number \(default 0\.5\)\s+of the blocks/);
        expect(stdout).toContain("model: unknown (default 'none')");
      });
    });

    it('jupyter console', () => {
      const { stdout, status } = spawnSync(
        programs.bin('jupyter'),
        ['console', '--kernel', 'fovea', '--simple-prompt'],
        { env, cwd: folder, encoding: 'utf8', input: 'const a: number = 40;\na + 2\n', timeout: 60_000 },
      );
      expect(status).toBe(0);
      expect(stdout).toContain('Out[2]: 42');
    });
  },
);
