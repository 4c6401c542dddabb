import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type BrowserContext, chromium, type Page } from 'playwright-core';

/** The browser to test with; tests that need one are skipped by name where there is none. */
export const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';
export const hasChromium = existsSync(CHROMIUM);

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * How long a page is waited for. Nothing is lost by patience, for what comes earlier is taken at once; on a shared machine
 * of two cores a page takes several times as long as usual.
 */
const PATIENCE_MS = 60_000;

/** Messages of the browser itself that say nothing about the page. */
const HARMLESS = [/\[: unexpected operator/];

const isLocal = (url: string): boolean =>
  /^(data|blob|about|chrome-error):/.test(url) || /^(localhost|127\.0\.0\.1)$/.test(new URL(url).hostname);

/** A page in a browser of its own, with what should not have happened in it. */
export interface WatchedPage {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Console errors and uncaught exceptions so far. */
  readonly errors: string[];
  /** Requests that were made to anywhere but this machine. */
  readonly foreign: string[];
  close(): Promise<void>;
}

/**
 * Opens a browser with a fresh profile and watches its console and its network.
 * @param options `gpu`: with WebGPU, computed by the browser's own software driver
 */
export async function openPage(
  options: { width?: number; height?: number; gpu?: boolean } = {},
): Promise<WatchedPage> {
  const { width = 1400, height = 900, gpu = false } = options;
  const profile = mkdtempSync(join(tmpdir(), 'fovea-profile-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    viewport: { width, height },
    args: gpu ? [...FLAGS.filter((flag) => flag !== '--disable-gpu'), '--enable-unsafe-webgpu'] : FLAGS,
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const errors: string[] = [];
  const foreign: string[] = [];
  const watch = (page: Page) => {
    page.on('console', (message) => {
      if (message.type() !== 'error' || HARMLESS.some((pattern) => pattern.test(message.text()))) return;
      errors.push(`${message.text()} (${message.location().url})`);
    });
    page.on('pageerror', (error) => errors.push(error.stack ?? String(error)));
  };
  context.on('request', (request) => {
    if (!isLocal(request.url())) foreign.push(request.url());
  });
  context.on('page', watch);
  const page = context.pages()[0] ?? (await context.newPage());
  watch(page);
  return {
    page,
    context,
    errors,
    foreign,
    async close() {
      await context.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}
