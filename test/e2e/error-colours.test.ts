import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { contrasts } from '../extension/support/page.js';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { codeNotebook } from './support/demo-notebook.js';
import { execute, openLab, openNotebook, waitForKernel } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

const SHOWN = '.jp-NotebookPanel .jp-OutputArea .jp-RenderedText';

describe.skipIf(!hasChromium || !isBuilt)('errors in the lab (needs Chromium and npm run build)', () => {
  let folder: string;
  let lab: LabProcess;
  let browser: WatchedPage;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fovea-errors-'));
    const colours = [31, 32, 33, 34, 35, 36, 37, 90].map(
      (code) => `\\u001b[${code}mcolour ${code}\\u001b[0m`,
    );
    writeFileSync(
      join(folder, 'a.ipynb'),
      codeNotebook({
        wrong: 'function fails(): never {\n  throw new TypeError("wrong");\n}\nfails();',
        warned: `console.error("${colours.join(' ')}");`,
      }),
    );
    lab = await startLab(folder);
    browser = await openPage();
    const { page } = browser;
    await openLab(page, lab.urlOf());
    await openNotebook(page, 'a.ipynb');
    await waitForKernel(page);
    for (const index of [0, 1]) {
      await page.evaluate((at) => {
        const { jupyterapp } = window as unknown as {
          jupyterapp: { shell: { currentWidget: { content: { activeCellIndex: number } } } };
        };
        jupyterapp.shell.currentWidget.content.activeCellIndex = at;
      }, index);
      await execute(page, 'notebook:run-cell').catch(() => undefined);
    }
    await page.locator(SHOWN).nth(1).waitFor();
  });
  afterAll(async () => {
    await browser?.close();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it.each(['JupyterLab Light', 'JupyterLab Dark'])('can be read in the theme %s', async (theme) => {
    const { page } = browser;
    await execute(page, 'apputils:change-theme', { theme });
    const isLight = theme === 'JupyterLab Light';
    await expect.poll(() => page.evaluate(() => document.body.dataset.jpThemeLight)).toBe(String(isLight));
    // The theme's style sheet comes after its name.
    await expect
      .poll(() =>
        page.evaluate(() => getComputedStyle(document.body).getPropertyValue('--jp-layout-color0').trim()),
      )
      .toMatch(isLight ? /^white$/ : /^#111(111)?$/);
    const coloured = await page.locator('.jp-RenderedText [class*="ansi-"]').count();
    expect(coloured).toBeGreaterThan(8);
    expect(await contrasts(page, 4.5, '.jp-OutputArea')).toEqual([]);
  });
});
