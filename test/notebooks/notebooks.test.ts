import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { canTrain } from '@fovea/engine/train';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { languageInfo } from '../../kernel/src/execution/host/language-info.js';
import { runNotebook } from '../../scripts/run-notebooks.mjs';

const folder = fileURLToPath(new URL('../../notebooks', import.meta.url));
const names = readdirSync(folder).filter((name) => name.endsWith('.ipynb'));

interface Cell {
  readonly cell_type: string;
  readonly id: string;
  readonly source: string | readonly string[];
  readonly outputs?: readonly {
    readonly output_type: string;
    readonly name?: string;
    readonly text?: string;
  }[];
  readonly execution_count?: number | null;
}
interface Notebook {
  readonly cells: readonly Cell[];
  readonly metadata: {
    readonly kernelspec: { readonly name: string; readonly language: string };
    readonly language_info: unknown;
  };
  readonly nbformat: number;
  readonly nbformat_minor: number;
}

const read = (name: string) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as Notebook;
const textOf = ({ source }: Cell) => (typeof source === 'string' ? source : source.join(''));
const codeOf = ({ cells }: Notebook) => cells.filter((cell) => cell.cell_type === 'code');
const complaints = (cells: readonly Cell[]) =>
  cells.flatMap(({ outputs = [] }) =>
    outputs.filter(
      ({ output_type, name, text }) =>
        output_type === 'error' || name === 'stderr' || /TypeScript error/.test(text ?? ''),
    ),
  );

describe('the notebooks', () => {
  // No calibration and no sweep of the person who runs the tests is there, and none is left.
  const data = mkdtempSync(path.join(tmpdir(), 'fovea-notebooks-'));
  const temporary = process.env.TMPDIR;
  beforeAll(() => {
    process.env.FOVEA_DATA_DIR = data;
    // What notebooks write into the system's temporary folder, as a person may whose machine clears it.
    process.env.TMPDIR = data;
    // Nor does a test fetch anything: pip looks nowhere, and notebooks go on with what Fovea has.
    process.env.PIP_NO_INDEX = '1';
  });
  afterAll(() => {
    delete process.env.FOVEA_DATA_DIR;
    if (temporary === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = temporary;
    delete process.env.PIP_NO_INDEX;
    rmSync(data, { recursive: true });
  });

  it('are all there, in order', () => {
    const numbers = ['01', '02', '03', '04', '05', '06', '07', '08', '09', '10'];
    expect(names.map((name) => name.slice(0, 2))).toEqual(numbers);
  });

  describe.each(names)('%s', (name) => {
    it('is a well-formed notebook of the Fovea kernel', () => {
      const { nbformat, nbformat_minor, metadata, cells } = read(name);
      expect([nbformat, nbformat_minor]).toEqual([4, 5]);
      expect(metadata.kernelspec).toMatchObject({ name: 'fovea', language: 'typescript' });
      // What the kernel says of itself: otherwise opening the notebook would change it.
      expect(metadata.language_info).toEqual(languageInfo);
      const ids = cells.map(({ id }) => id);
      expect(new Set(ids).size).toBe(ids.length);
      for (const id of ids) expect(id).toMatch(/^[\w-]{1,64}$/);
      expect(textOf(cells[0]!)).toMatch(/^# /);
    });

    it('is committed with the outputs of one run from the top, without a complaint', () => {
      const code = codeOf(read(name));
      expect(code.map(({ execution_count }) => execution_count)).toEqual(code.map((_, i) => i + 1));
      expect(complaints(code)).toEqual([]);
      expect(code.some(({ outputs = [] }) => outputs.length > 0)).toBe(true);
    });

    it('links only to files that exist', () => {
      const text = read(name).cells.map(textOf).join('\n');
      for (const [, target] of text.matchAll(/\]\(([^)#:]+)\)/g)) {
        expect(existsSync(path.join(folder, target!)), target).toBe(true);
      }
    });

    it.skipIf(!canTrain())('runs from a clean state (needs the native kernels)', async () => {
      const { notebook, failure } = await runNotebook(read(name));
      expect(failure?.message).toBeUndefined();
      expect(complaints(codeOf(notebook as Notebook))).toEqual([]);
    });
  });
});
