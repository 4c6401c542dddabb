import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hasChromium, openPage } from './support/chromium.js';
import { execute, openLab } from './support/lab-page.js';
import { isBuilt, startLab } from './support/lab-process.js';

it.skipIf(!hasChromium || !isBuilt)(
  'a setting that the disk has no room for is reported (needs Chromium and npm run build)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-settings-'));
    const lab = await startLab(folder);
    const { page, close } = await openPage();
    try {
      await openLab(page, lab.urlOf());
      const message = 'The disk is full: themes.jupyterlab-settings was left as it is';
      await page.route('**/lab/api/settings/**', (route) =>
        route.request().method() === 'PUT'
          ? route.fulfill({ status: 507, contentType: 'application/json', body: JSON.stringify({ message }) })
          : route.fallback(),
      );
      void execute(page, 'apputils:change-theme', { theme: 'JupyterLab Dark' }).catch(() => undefined);
      const dialog = page.locator('.jp-Dialog-content');
      await expect.poll(() => dialog.allInnerTexts()).toHaveLength(1);
      expect(await dialog.textContent()).toContain('Setting Not Saved');
      expect(await dialog.textContent()).toContain(message);
    } finally {
      await close();
      await lab.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
  120_000,
);
