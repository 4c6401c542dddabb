import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { openLivePanel } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

const fixture = (name: string) => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
const PATIENT = { timeout: 120_000 };

/** A network from a file, one with a piece for onnxruntime, and one that exists in the kernel's memory alone. */
const SOURCE = `import { loadNetwork } from '@fovea/engine';
const lasnet = await loadNetwork('${fixture('lasnet-tiny.safetensors')}');
const foreign = await loadNetwork('${fixture('networks/mid_Einsum.onnx')}');
const made = {
  ...lasnet,
  name: 'made in a cell',
  nodes: lasnet.nodes.map((node) => {
    if (node.kind !== 'block') return node;
    const { masker, ...block } = node.block;
    return { ...node, block };
  }),
};
await fovea.live({ networks: { lasnet, foreign, made } });`;

const NOTEBOOK = {
  cells: [{ id: 'a', cell_type: 'code', metadata: {}, source: SOURCE, outputs: [], execution_count: null }],
  metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
  nbformat: 4,
  nbformat_minor: 5,
};

describe.skipIf(!hasChromium || !isBuilt)(
  'this browser’s GPU in the live panel (needs Chromium and a build)',
  () => {
    let folder: string;
    let lab: LabProcess;
    let browser: WatchedPage;
    const scripts: string[] = [];

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'fovea-lab-gpu-'));
      writeFileSync(join(folder, 'gpu.ipynb'), JSON.stringify(NOTEBOOK));
      lab = await startLab(folder);
      browser = await openPage({ width: 1500, height: 1300, gpu: true });
      browser.page.on('worker', (worker) => scripts.push(worker.url()));
      await openLivePanel(browser.page, lab.urlOf(), 'gpu.ipynb');
    }, 180_000);

    afterAll(async () => {
      await browser?.close();
      await lab?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    const line = () => browser.page.locator('.fovea-gpu p').textContent();
    const toggle = () => browser.page.getByRole('button', { name: 'Also on this browser’s GPU' });
    const settled = async () => {
      await expect.poll(() => browser.page.getByRole('button', { name: 'Run now' }).count(), PATIENT).toBe(1);
    };
    const choose = (label: string, value: string) =>
      browser.page.locator('.fovea-live').getByLabel(label, { exact: true }).selectOption(value);
    /** What the line says once the run of the settings as they stand has ended. */
    const agreement = async () => {
      await expect.poll(line, PATIENT).toMatch(/output (the same|within)|could not do this/);
      return (await line())!;
    };
    const outputError = (text: string) => Number(/within ([\d.e-]+)/.exec(text)?.[1] ?? 0);

    it('is offered where the browser has one, and loads nothing before it is chosen', async () => {
      await expect.poll(line, PATIENT).toMatch(/SwiftShader/i);
      expect(await line()).toContain('a software driver, its time says nothing of a GPU');
      await settled();
      expect(scripts.filter((url) => url.includes('@fovea'))).toEqual([]);
    });

    it.each([
      ['a network from a file', 'lasnet', ['learned', 'saliency', 'random']],
      ['one that is made in a cell', 'made', ['saliency', 'random']],
    ])(
      'computes what the kernel computes: %s',
      async (_, network, maskers) => {
        await choose('Network', network);
        if ((await toggle().getAttribute('aria-pressed')) !== 'true') await toggle().click();
        for (const masker of maskers) {
          await browser.page.locator(`.fovea-live .fovea-segment[data-value=${masker}]`).click();
          const text = await agreement();
          expect(text).toMatch(/masks as the kernel’s in all [\d,]+ cells/);
          expect(outputError(text)).toBeLessThan(1e-4);
        }
        expect(scripts.filter((url) => url.includes('@fovea'))).toHaveLength(1);
      },
      400_000,
    );

    it('shows its masks beside the kernel’s, and no time of a software driver', async () => {
      const { page } = browser;
      await page.getByRole('radio', { name: 'This browser' }).click();
      expect(await page.locator('.fovea-live .fovea-tile').count()).toBeGreaterThan(3);
      expect(await page.locator('.fovea-gpu-figure').isVisible()).toBe(false);
      await page.screenshot({ path: fileURLToPath(new URL('../output/lab-gpu/panel.png', import.meta.url)) });
    });

    it('refuses a piece for onnxruntime in one line, and computes the next network', async () => {
      await choose('Network', 'foreign');
      expect(await agreement()).toMatch(/mid_Einsum has pieces that only onnxruntime computes/);
      await choose('Network', 'quick-look');
      expect(await agreement()).toMatch(/masks as the kernel’s in all/);
    }, 200_000);

    it('did so without an error in the page, and without a request that left the machine', () => {
      expect(browser.errors.filter((error) => error.includes('@fovea'))).toEqual([]);
      expect(browser.foreign).toEqual([]);
    });
  },
);
