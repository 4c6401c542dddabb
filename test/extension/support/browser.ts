import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { pagePolicy } from '../../../kernel/src/server/security/policy.js';

export const CHROMIUM = [process.env.CHROMIUM_PATH, '/usr/bin/chromium', '/usr/bin/google-chrome'].find(
  (path) => path && existsSync(path),
);

const root = fileURLToPath(new URL('../../..', import.meta.url));
const require = createRequire(import.meta.url);
const ORIGIN = 'http://harness.localhost';

const variables = (theme: 'light' | 'dark') =>
  readFileSync(require.resolve(`@jupyterlab/theme-${theme}-extension/style/variables.css`), 'utf8').replace(
    ':root',
    `[data-jp-theme-light='${theme === 'light'}']`,
  );

/** Rules of the lab that reach into outputs and panels. */
const LAB_STYLES = [
  'application/style/buttons.css',
  'outputarea/style/base.css',
  'ui-components/style/styling.css',
];

const labStyles = () =>
  LAB_STYLES.map((path) => readFileSync(require.resolve(`@jupyterlab/${path}`), 'utf8')).join('\n');

async function bundle(entry: string): Promise<{ script: string; style: string }> {
  const result = await build({
    entryPoints: [`${root}test/extension/support/${entry}.ts`],
    bundle: true,
    write: false,
    outdir: 'out',
    format: 'iife',
    target: 'es2022',
    logLevel: 'silent',
    loader: { '.svg': 'dataurl' },
  });
  const text = (suffix: string) => result.outputFiles.find(({ path }) => path.endsWith(suffix))?.text ?? '';
  return { script: text('.js'), style: text('.css') };
}

const PAGE = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>harness</title>
<link rel="stylesheet" href="/themes.css"><link rel="stylesheet" href="/style.css">
<style>body { margin: 24px; background: var(--jp-layout-color0); }</style></head>
<body class="jp-ThemedContainer" data-jp-theme-light="true" data-jp-theme-name="light"><div id="host"></div>
<script src="/static/script.js"></script></body></html>`;

/** A browser with a page that mounts renderers, themed by JupyterLab's own variables. */
export interface Harness {
  readonly browser: Browser;
  readonly page: Page;
  /** Console errors, page errors, and requests that left the page's origin. */
  readonly complaints: string[];
  theme(name: 'light' | 'dark'): Promise<void>;
  close(): Promise<void>;
}

/** A harness that is opened before the tests of a file, and in its light theme without complaints before each. */
export interface SharedHarness extends Pick<Harness, 'page' | 'complaints' | 'theme'> {
  /** Shows a document in a host of this width, px. */
  mount(mime: string, document: unknown, width?: number): Promise<void>;
}

export function useHarness(): SharedHarness {
  let harness!: Harness;
  beforeAll(async () => {
    harness = await openHarness();
  });
  afterAll(() => harness?.close());
  beforeEach(async () => {
    harness.complaints.length = 0;
    await harness.theme('light');
  });
  return {
    get page() {
      return harness.page;
    },
    get complaints() {
      return harness.complaints;
    },
    theme: (name) => harness.theme(name),
    mount: (mime, document, width = 900) =>
      harness.page.evaluate(([type, value, wide]) => window.harness.mount(type as never, value, wide), [
        mime,
        document,
        width,
      ] as const),
  };
}

export async function openHarness(entry = 'harness'): Promise<Harness> {
  const { script, style } = await bundle(entry);
  const browser = await chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox'] });
  const page = await browser.newPage({ viewport: { width: 1200, height: 1000 } });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' && !message.text().includes('favicon')) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.route('**/*', (route) => {
    const { origin, pathname } = new URL(route.request().url());
    const body = {
      '/': ['text/html', PAGE],
      '/themes.css': ['text/css', `${variables('light')}\n${variables('dark')}\n${labStyles()}`],
      '/style.css': ['text/css', style],
      '/static/script.js': ['text/javascript', script],
      '/favicon.ico': ['image/x-icon', ''],
    }[pathname];
    if (origin !== ORIGIN || !body) {
      complaints.push(`request to ${route.request().url()}`);
      return route.abort();
    }
    // What the lab's page does not allow must not work here either.
    const headers = { 'Content-Security-Policy': pagePolicy(new URL(ORIGIN).host, '') };
    return route.fulfill({ contentType: body[0]!, body: body[1]!, headers });
  });
  await page.goto(`${ORIGIN}/`);
  return {
    browser,
    page,
    complaints,
    theme: (name) =>
      page.evaluate((theme) => {
        document.body.dataset.jpThemeLight = String(theme === 'light');
        document.body.dataset.jpThemeName = theme;
      }, name),
    close: () => browser.close(),
  };
}
