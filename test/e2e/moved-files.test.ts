import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { execute, isDirty, openLab, openNotebook, save, waitForKernel } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

const notebook = (source: string) =>
  JSON.stringify({
    cells: [{ id: 'one', cell_type: 'code', metadata: {}, source, outputs: [], execution_count: null }],
    metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
    nbformat: 4,
    nbformat_minor: 5,
  });

describe.skipIf(!hasChromium || !isBuilt)('moved files (needs Chromium and npm run build)', () => {
  let folder: string;
  let lab: LabProcess;
  let browser: WatchedPage;
  let page: Page;
  let workspaces = 0;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'fovea-moved-'));
    lab = await startLab(folder);
  });
  afterAll(async () => {
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    browser = await openPage();
    page = browser.page;
  });
  afterEach(() => browser.close());

  const file = (name: string) => join(folder, name);
  const source = (name: string) =>
    [JSON.parse(readFileSync(file(name), 'utf8')).cells[0].source].flat().join('');
  const open = async (name: string, text: string) => {
    writeFileSync(file(name), notebook(text));
    workspaces += 1;
    await openLab(page, `${lab.origin}/lab/workspaces/w${workspaces}?token=${lab.token}`);
    await openNotebook(page, name);
  };
  const type = async (text: string) => {
    await page.locator('.jp-Notebook .cm-content').first().click();
    await page.keyboard.press('Control+A');
    await page.keyboard.type(text);
  };
  const dialogs = () => page.locator('.jp-Dialog-content').allInnerTexts();
  const saveAsked = async (question: RegExp) => {
    void execute(page, 'docmanager:save').catch(() => undefined);
    await expect.poll(dialogs).toEqual([expect.stringMatching(question)]);
  };
  const choose = (name: string) => page.locator('.jp-Dialog').getByRole('button', { name }).click();
  const path = () =>
    page.evaluate(
      () =>
        (
          window as unknown as {
            jupyterapp: { shell: { currentWidget: { context: { path: string } } } };
          }
        ).jupyterapp.shell.currentWidget.context.path,
    );

  it('asks before a renamed file is written under its old name, and continues in the renamed one', async () => {
    await open('old.ipynb', 'let count = 1;');
    await waitForKernel(page);
    await execute(page, 'notebook:run-all-cells');
    await waitForKernel(page);
    await save(page);
    await type('count += 1; console.log(count);');
    renameSync(file('old.ipynb'), file('new.ipynb'));

    await saveAsked(/"old\.ipynb" is no longer there/);
    await choose('Cancel');
    await expect.poll(dialogs).toEqual([]);
    expect(existsSync(file('old.ipynb'))).toBe(false);
    expect(await isDirty(page)).toBe(true);

    await saveAsked(/"old\.ipynb" is no longer there/);
    await page.locator('.jp-Dialog input').fill('new.ipynb');
    await page.keyboard.press('Enter');
    await expect.poll(() => source('new.ipynb')).toBe('count += 1; console.log(count);');
    expect(existsSync(file('old.ipynb'))).toBe(false);
    expect(await path()).toBe('new.ipynb');
    await execute(page, 'notebook:run-all-cells');
    await page.waitForSelector('.jp-OutputArea-output >> text=2');
  });

  it('writes a deleted file again when asked to', async () => {
    await open('deleted.ipynb', '// before');
    await type('// after');
    rmSync(file('deleted.ipynb'));
    await saveAsked(/"deleted\.ipynb" is no longer there/);
    await choose('Save');
    await expect.poll(() => existsSync(file('deleted.ipynb')) && source('deleted.ipynb')).toBe('// after');
  });

  it('asks once more before another file is replaced, and stays where it was when that is refused', async () => {
    writeFileSync(file('other.ipynb'), notebook('// other'));
    await open('lost.ipynb', '// mine');
    await type('// mine, edited');
    rmSync(file('lost.ipynb'));
    await saveAsked(/"lost\.ipynb" is no longer there/);
    await page.locator('.jp-Dialog input').fill('other.ipynb');
    await page.keyboard.press('Enter');
    await expect.poll(dialogs).toEqual([expect.stringMatching(/"other\.ipynb" has changed on disk/)]);
    await choose('Cancel');
    await expect.poll(path).toBe('lost.ipynb');
    expect(source('other.ipynb')).toBe('// other');
    expect(await isDirty(page)).toBe(true);
  });

  it.each(['C++', 'run (1)'])('keeps a document of the folder %s when that is renamed', async (name) => {
    mkdirSync(file(name));
    await open(`${name}/inside.ipynb`, '// before');
    // What a kernel says of itself when it has started is a change of the notebook, which would not be saved below.
    await waitForKernel(page);
    await type('// after');
    const to = `renamed ${workspaces}`;
    await page.evaluate(
      ([from, target]) =>
        (
          window as unknown as {
            jupyterapp: {
              serviceManager: { contents: { rename(from: string, to: string): Promise<unknown> } };
            };
          }
        ).jupyterapp.serviceManager.contents.rename(from, target),
      [name, to] as const,
    );
    await expect.poll(path).toBe(`${to}/inside.ipynb`);
    await save(page);
    expect(source(`${to}/inside.ipynb`)).toBe('// after');
  });
});
