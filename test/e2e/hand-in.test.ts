import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { masksBundle } from '../../kernel/src/display/bundle.js';
import { pageHtml } from '../../kernel/src/export/page.js';
import { sampleMasks } from '../extension/support/samples.js';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { openLab, openNotebook } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

const NOTEBOOK = {
  cells: [
    { id: 'text', cell_type: 'markdown', metadata: {}, source: '# My work\n\n$x^2$' },
    {
      id: 'masks',
      cell_type: 'code',
      metadata: {},
      source: 'show();',
      execution_count: 1,
      outputs: [{ output_type: 'display_data', ...masksBundle(sampleMasks()) }],
    },
  ],
  metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
  nbformat: 4,
  nbformat_minor: 5,
};

describe.skipIf(!hasChromium || !isBuilt)('handing work in (needs Chromium and npm run build)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-hand-in-'));
  let lab: LabProcess;
  let browser: WatchedPage;

  beforeAll(async () => {
    writeFileSync(join(folder, 'work.ipynb'), JSON.stringify(NOTEBOOK));
    lab = await startLab(folder);
    browser = await openPage();
    await openLab(browser.page, lab.urlOf());
    await openNotebook(browser.page, 'work.ipynb');
    await browser.page.waitForSelector('.jp-OutputArea .fovea-masks');
  });

  afterAll(async () => {
    await browser?.close();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Opens the File menu and one of its submenus. */
  const openMenu = async (submenu: string) => {
    const { page } = browser;
    await page.locator('.lm-MenuBar-itemLabel', { hasText: /^File$/ }).click();
    await page.locator('.lm-Menu-itemLabel', { hasText: submenu }).hover();
  };

  it('File > Save and Export Notebook As > HTML downloads a page', async () => {
    const { page, context } = browser;
    await openMenu('Save and Export Notebook As');
    const entries = page.locator('.lm-Menu').last().locator('.lm-Menu-itemLabel');
    await expect.poll(() => entries.allTextContents()).toEqual(['HTML']);
    // The tab that the lab opens for it is gone as soon as the download begins.
    const answering = context.waitForEvent('response', {
      predicate: (response) => response.url().includes('/nbconvert/'),
    });
    await entries.first().click();
    const answer = await answering;
    expect([answer.status(), answer.url()]).toEqual([
      200,
      `${lab.origin}/nbconvert/html/work.ipynb?download=true`,
    ]);
    // As they came with the event: asking the browser for them fails once the tab is gone.
    expect(answer.headers()['content-disposition']).toBe("attachment; filename*=UTF-8''work.html");
  });

  it('which stands alone: figures, tables and formulas show without a request', async () => {
    const { page, context } = browser;
    const answer = await page.evaluate(async () => (await fetch('/nbconvert/html/work.ipynb')).text());
    const file = join(folder, 'alone.html');
    writeFileSync(file, answer);
    const reader = await context.newPage();
    const asked: string[] = [];
    reader.on('request', (request) => asked.push(request.url().slice(0, 40)));
    await reader.goto(`file://${file}`);
    const shown = await reader.evaluate(() => ({
      picture: document.querySelector<HTMLImageElement>('figure img')!.naturalWidth,
      rows: document.querySelectorAll('figure table tbody tr').length,
      formula: document.querySelector('math msup')!.getBoundingClientRect().width > 0,
      sideways: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    }));
    expect(shown.picture).toBeGreaterThan(500);
    expect(shown).toMatchObject({ rows: 16, formula: true, sideways: 0 });
    expect(asked.filter((url) => !/^(file|data):/.test(url))).toEqual([]);
    await reader.close();
  });

  it('whose pictures, however tall, are printed on one page each, with nothing over them', async () => {
    const picture = `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="1465"/>`;
    const figure = `<figure><img width="760" height="1465" src="data:image/svg+xml,${encodeURIComponent(picture)}"></figure>`;
    const cell = `<div class="cell"><div class="prompt">[1]</div><div class="output">${figure}<p>below</p></div></div>`;
    const file = join(folder, 'tall.html');
    writeFileSync(file, pageHtml('Tall', `<p>before</p>${cell}<p>after</p>`));
    const reader = await browser.context.newPage();
    await reader.goto(`file://${file}`);
    const printed = await reader.pdf({ format: 'A4' });
    // What stands before the picture, the picture, and what stands after it.
    expect(printed.toString('latin1').match(/\/Type \/Page\b/g)).toHaveLength(3);
    await reader.close();
  });

  it('File > Print prints that page', async () => {
    const { page } = browser;
    await page.evaluate(() => {
      const seen: string[] = [];
      Object.assign(window, { seen });
      // The print dialog itself belongs to the browser; what would be in it is the frame's content.
      new MutationObserver((records) => {
        for (const node of records.flatMap(({ addedNodes }) => [...addedNodes])) {
          if (!(node instanceof HTMLIFrameElement)) continue;
          node.addEventListener('load', () => {
            const { body } = node.contentDocument!;
            seen.push(body.textContent!);
            seen.push(`picture ${body.querySelector<HTMLImageElement>('figure img')!.naturalWidth}`);
          });
        }
      }).observe(document.body, { childList: true });
    });
    await page.locator('.lm-MenuBar-itemLabel', { hasText: /^File$/ }).click();
    await page.locator('.lm-Menu-itemLabel', { hasText: /^Print…$/ }).click();
    const seen = () => page.evaluate(() => (window as unknown as { seen: string[] }).seen);
    await expect.poll(async () => (await seen()).length).toBeGreaterThan(1);
    expect((await seen())[0]).toContain('My work');
    expect((await seen())[1]).toMatch(/^picture \d{3,}$/);
    await page.mouse.move(200, 200);
  });

  it('without a console error', () => {
    expect(browser.errors).toEqual([]);
    expect(browser.foreign.filter((url) => !url.startsWith('file:'))).toEqual([]);
  });

  it('File > Log Out ends in a page that says so, and the lab asks for the token again', async () => {
    const { page } = browser;
    await page.locator('.lm-MenuBar-itemLabel', { hasText: /^File$/ }).click();
    await page.locator('.lm-Menu-itemLabel', { hasText: /^Log Out$/ }).click();
    await page.getByText('This browser is logged out').waitFor();
    await page.goto(`${lab.origin}/lab`);
    await page.getByText('This lab is private').waitFor();
  });
});
