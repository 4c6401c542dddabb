import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { execute, openLab, openNotebook, waitForKernel } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

const cell = (id: string, source: string) => ({
  ...{ id, cell_type: 'code', metadata: {}, source, outputs: [], execution_count: null },
});
const NOTEBOOK = JSON.stringify({
  cells: [
    cell('one', 'var seen = (globalThis.seen ?? 0) + 1;\nconsole.log("seen", seen);'),
    cell('two', 'await new Promise((resolve) => setTimeout(resolve, 600_000));'),
    cell('three', 'console.log("third");'),
  ],
  metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
  nbformat: 4,
  nbformat_minor: 5,
});

const SHOWN = '.jp-NotebookPanel:not(.lm-mod-hidden)';
const prompts = (page: Page) => page.locator(`${SHOWN} .jp-CodeCell .jp-InputPrompt`).allInnerTexts();
const outputs = (page: Page) => page.locator(`${SHOWN} .jp-OutputArea-output`).allInnerTexts();
const notes = (page: Page) => page.locator('.Toastify__toast').allInnerTexts();
const dialogs = (page: Page) => page.locator('.jp-Dialog-content').allInnerTexts();

/** Sends a cell without waiting for its end. */
async function send(page: Page, index: number): Promise<void> {
  await page.evaluate((at) => {
    const { jupyterapp } = window as unknown as {
      jupyterapp: {
        commands: { execute(id: string): Promise<unknown> };
        shell: { currentWidget: { content: { activeCellIndex: number; deselectAll(): void } } };
      };
    };
    const { content } = jupyterapp.shell.currentWidget;
    content.activeCellIndex = at;
    content.deselectAll();
    jupyterapp.commands.execute('notebook:run-cell').catch(() => undefined);
  }, index);
}

describe.skipIf(!hasChromium || !isBuilt)(
  'a lab that is started again below an open page (needs Chromium and npm run build)',
  () => {
    let folder: string;
    let state: string;
    let lab: LabProcess;
    let browser: WatchedPage;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'fovea-again-'));
      writeFileSync(join(folder, 'a.ipynb'), NOTEBOOK);
      state = mkdtempSync(join(tmpdir(), 'fovea-again-state-'));
      lab = await startLab(folder, ['--token', 'kept'], state);
      browser = await openPage();
      await openLab(browser.page, lab.urlOf());
      await openNotebook(browser.page, 'a.ipynb');
      await waitForKernel(browser.page);
      await send(browser.page, 0);
      await expect.poll(() => outputs(browser.page)).toEqual([expect.stringContaining('seen 1')]);
    });
    afterEach(async () => {
      await browser.close();
      await lab.stop();
      for (const each of [folder, state]) rmSync(each, { recursive: true, force: true });
    });

    const startAgain = async () => {
      lab = await startLab(folder, ['--token', 'kept', '--port', new URL(lab.origin).port], state);
    };
    const goesOn = async () => {
      const { page } = browser;
      await expect
        .poll(() => notes(page))
        .toContainEqual(expect.stringContaining('variables of a.ipynb are gone'));
      await expect.poll(() => dialogs(page)).toEqual([]);
      await send(page, 0);
      await send(page, 2);
      await expect
        .poll(() => outputs(page))
        .toEqual([expect.stringContaining('seen 1'), expect.stringContaining('third')]);
      await expect.poll(() => prompts(page)).toEqual(['[1]:', '[ ]:', '[2]:']);
    };

    it('marks cells that are sent meanwhile as not run, says why, and goes on', async () => {
      const { page } = browser;
      await lab.stop();
      await send(page, 0);
      await send(page, 2);
      await expect.poll(() => prompts(page)).toEqual(['[ ]:', '[ ]:', '[ ]:']);
      await expect.poll(() => dialogs(page)).toEqual([expect.stringContaining('The Lab Cannot Be Reached')]);
      await startAgain();
      await goesOn();
    }, 240_000);

    it('still shows notifications, the first one too', async () => {
      const { page } = browser;
      expect(await notes(page)).toEqual([]);
      await lab.stop();
      await execute(page, 'apputils:notify', {
        message: 'said without a server',
        options: { autoClose: false },
      });
      await expect.poll(() => notes(page)).toEqual([expect.stringContaining('said without a server')]);
    }, 120_000);

    it('marks cells that were running and waiting as not run, and goes on', async () => {
      const { page } = browser;
      await send(page, 1);
      await waitForKernel(page, 'busy');
      await send(page, 2);
      await expect.poll(() => prompts(page)).toEqual(['[1]:', '[*]:', '[*]:']);
      await lab.stop();
      await expect.poll(() => prompts(page)).toEqual(['[1]:', '[ ]:', '[ ]:']);
      await startAgain();
      await goesOn();
    }, 240_000);
  },
);
