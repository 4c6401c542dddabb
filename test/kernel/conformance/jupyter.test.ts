// @module-tag process
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { temporaryFolder } from '../../support/temporary-folder.js';

const python = process.env.FOVEA_TEST_PYTHON ?? '/usr/bin/python3';
const has = (module: string) =>
  existsSync(python) && spawnSync(python, ['-c', `import ${module}`]).status === 0;
const folder = fileURLToPath(new URL('./python/', import.meta.url));

function run(script: string, input?: string) {
  const scratch = temporaryFolder('fk-');
  return spawnSync(python, [join(folder, script), '-v'], {
    encoding: 'utf8',
    input,
    cwd: scratch,
    maxBuffer: 1 << 28,
    timeout: 170_000,
    env: {
      ...process.env,
      FOVEA_TEST_NODE: process.env.FOVEA_TEST_NODE ?? process.execPath,
      FOVEA_TEST_ENTRY: fileURLToPath(new URL('../../../kernel/bin/fovea.js', import.meta.url)),
      FOVEA_HISTORY: join(scratch, 'history.jsonl'),
      JUPYTER_RUNTIME_DIR: scratch,
    },
  });
}

describe('Jupyter’s own clients', () => {
  it.skipIf(!has('jupyter_kernel_test'))(
    'jupyter_kernel_test passes whole, pager and all history modes included (needs python3-jupyter-kernel-test)',
    () => {
      const { stderr, status } = run('kernel_tests.py');
      expect(stderr).not.toMatch(/FAIL|ERROR/);
      expect(stderr).not.toMatch(/skipped/);
      expect(stderr).toMatch(/test_pager .*ok/);
      expect(stderr).toMatch(/test_history .*ok/);
      expect(status).toBe(0);
    },
    180_000,
  );

  it.skipIf(!has('nbclient'))(
    'nbclient keeps 20,000 of 20,000 lines in order, errors and displays (needs python3-nbclient)',
    () => {
      const cells = [
        'for (let i = 0; i < 20000; i++) console.log(`line ${i}`)',
        'throw new Error("kept")',
        'display(html`<b>shown</b>`); 6 * 7',
        'console.log("after")',
      ];
      const { stdout, stderr } = run('run_notebook.py', JSON.stringify(cells));
      expect(stdout, stderr).not.toBe('');
      const outputs = JSON.parse(stdout) as Record<string, any>[][];
      const text = outputs[0]!.map((output) => output.text).join('');
      expect(text).toBe(Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join(''));
      expect(outputs[1]).toMatchObject([{ output_type: 'error', ename: 'Error', evalue: 'kept' }]);
      expect(outputs[2]!.map(({ output_type }) => output_type)).toEqual(['display_data', 'execute_result']);
      expect(outputs[3]).toMatchObject([{ text: 'after\n' }]);
    },
    180_000,
  );
});
