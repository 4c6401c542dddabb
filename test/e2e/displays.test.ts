import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { codeNotebook } from './support/demo-notebook.js';
import { execute, openLab, openNotebook, waitForKernel } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

/** Screenshots to look at. */
const SHOTS = fileURLToPath(new URL('../output/displays/', import.meta.url));

const data = '{ values: [{ a: "x", b: 3 }, { a: "y", b: 7 }] }';
const cells = {
  vegalite: `({ $schema: 'https://vega.github.io/schema/vega-lite/v6.json', data: ${data}, mark: 'bar',
  encoding: { x: { field: 'a', type: 'nominal' }, y: { field: 'b', type: 'quantitative' } } })`,
  vega: `class Chart { toSpec() { return { $schema: 'https://vega.github.io/schema/vega/v5.json', width: 100, height: 50,
  marks: [{ type: 'rect', encode: { enter: { x: { value: 5 }, y: { value: 5 }, width: { value: 40 }, height: { value: 20 }, fill: { value: 'red' } } } }] }; } }
new Chart()`,
  svg: `({ outerHTML: '<svg width="60" height="40"><circle cx="20" cy="20" r="15" fill="green"/></svg>' })`,
  table: `({ columnNames: () => ['name', 'n'], numRows: () => 2, get: (name: string, row: number) => name === 'n' ? row : 'row ' + row })`,
  progress: `import readline from 'node:readline';
for (let i = 0; i <= 3; i++) {
  readline.cursorTo(process.stdout, 0);
  readline.clearLine(process.stdout, 0);
  process.stdout.write(['\\x1b[32mbeginning with a long line\\x1b[39m', 'shorter', 'step', '\\x1b[31mdone\\x1b[39m'][i]);
  await new Promise((next) => setTimeout(next, 60));
}`,
};

describe.skipIf(!hasChromium || !isBuilt)('displays in the lab (needs Chromium and npm run build)', () => {
  let folder: string;
  let lab: LabProcess;
  let browser: WatchedPage;

  beforeAll(async () => {
    mkdirSync(SHOTS, { recursive: true });
    folder = mkdtempSync(join(tmpdir(), 'fovea-e2e-'));
    writeFileSync(join(folder, 'displays.ipynb'), codeNotebook(cells));
    lab = await startLab(folder);
    browser = await openPage({ width: 1200, height: 1400 });
    const { page } = browser;
    await openLab(page, lab.urlOf());
    await openNotebook(page, 'displays.ipynb');
    await waitForKernel(page);
    await execute(page, 'notebook:run-all-cells');
    await page.waitForSelector('.jp-OutputArea .vega-embed canvas, .jp-OutputArea .vega-embed svg', {
      timeout: 60_000,
    });
    await page.locator('.jp-OutputArea .ansi-red-fg').waitFor();
  });

  afterAll(async () => {
    await browser?.page.screenshot({ path: join(SHOTS, 'displays.png') });
    await browser?.close();
    await lab?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const outputs = (index: number) =>
    browser.page.locator('.jp-CodeCell').nth(index).locator('.jp-OutputArea-output');

  it('draws Vega-Lite and Vega charts', async () => {
    expect(await outputs(0).locator('.vega-embed').count()).toBe(1);
    const box = await outputs(0).locator('.vega-embed canvas, .vega-embed svg').first().boundingBox();
    expect(box!.height).toBeGreaterThan(100);
    expect(await outputs(1).locator('.vega-embed').count()).toBe(1);
  });

  it('shows SVG elements as pictures and tables as tables', async () => {
    const image = await outputs(2).locator('img').boundingBox();
    expect([image!.width, image!.height]).toEqual([60, 40]);
    expect(await outputs(3).locator('td').allInnerTexts()).toEqual(['row 0', '0', 'row 1', '1']);
  });

  it('shows a line that a program writes over and over as it ends', async () => {
    expect((await outputs(4).textContent())!.trim()).toBe('done');
    expect(await outputs(4).locator('.ansi-red-fg').textContent()).toBe('done');
  });

  it('without an error in the browser and without asking anybody else', () => {
    expect(browser.errors).toEqual([]);
    expect(browser.foreign).toEqual([]);
  });
});
