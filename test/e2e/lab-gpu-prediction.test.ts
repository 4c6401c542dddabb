import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { storeGpuCalibration } from '../../engine/src/predict/gpu/this-gpu.js';
import { useDataFolder } from '../support/data-folder.js';
import { madeUpGpu } from '../support/made-up-gpu.js';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';
import { openLivePanel } from './support/lab-page.js';
import { isBuilt, type LabProcess, startLab } from './support/lab-process.js';

const PATIENT = { timeout: 120_000 };
const NETWORK = fileURLToPath(new URL('../fixtures/lasnet-tiny.safetensors', import.meta.url));

const SOURCE = `import { loadNetwork } from '@fovea/engine';
const lasnet = await loadNetwork('${NETWORK}');
await fovea.live({ networks: { lasnet } });`;

const NOTEBOOK = {
  cells: [{ id: 'a', cell_type: 'code', metadata: {}, source: SOURCE, outputs: [], execution_count: null }],
  metadata: { kernelspec: { name: 'fovea', display_name: 'Fovea (TypeScript)', language: 'typescript' } },
  nbformat: 4,
  nbformat_minor: 5,
};

/** Runs in the page: what it computes with is the software driver still, but it says that it is none. */
function passForGpu(): void {
  const { gpu } = navigator as unknown as {
    gpu: { requestAdapter(options: object): Promise<object | null> };
  };
  const ask = gpu.requestAdapter.bind(gpu);
  gpu.requestAdapter = async (options) => {
    const adapter = await ask(options);
    return adapter && { info: { description: 'Made-up 6000', isFallbackAdapter: false } };
  };
}

describe.skipIf(!hasChromium || !isBuilt)(
  'a calibrated GPU in the live panel (needs Chromium and a build)',
  () => {
    useDataFolder();
    let folder: string;
    let lab: LabProcess;
    let browser: WatchedPage;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'fovea-lab-gpu-'));
      writeFileSync(join(folder, 'gpu.ipynb'), JSON.stringify(NOTEBOOK));
      storeGpuCalibration(madeUpGpu({ adapter: 'Made-up 6000' }));
      lab = await startLab(folder);
      browser = await openPage({ width: 1500, height: 1300, gpu: true });
      await browser.page.addInitScript(passForGpu);
      await openLivePanel(browser.page, lab.urlOf(), 'gpu.ipynb');
    }, 180_000);

    afterAll(async () => {
      await browser?.close();
      await lab?.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    it('shows what the kernel predicts for it beside the time that the page measures', async () => {
      const { page } = browser;
      const text = (selector: string) => page.locator(selector).textContent();
      await expect.poll(() => text('.fovea-gpu p'), PATIENT).toContain('Made-up 6000');
      await page.locator('.fovea-live').getByLabel('Network', { exact: true }).selectOption('lasnet');
      await page.getByRole('button', { name: 'Also on this browser’s GPU' }).click();
      await expect.poll(() => text('.fovea-gpu p'), PATIENT).toMatch(/masks as the kernel’s in all/);
      const predicted = () => text('.fovea-gpu-figure .fovea-mod-quiet');
      await expect
        .poll(predicted, PATIENT)
        .toMatch(/^predicted [\d.]+.ms, [\d.]+× dense \([\d.]+.ms\), on Made-up 6000$/);
      expect(await text('.fovea-gpu-figure .fovea-number')).toMatch(/^[\d.,]+.(ms|s)$/);
      await page.screenshot({
        path: fileURLToPath(new URL('../output/lab-gpu/prediction.png', import.meta.url)),
      });
    }, 200_000);
  },
);
