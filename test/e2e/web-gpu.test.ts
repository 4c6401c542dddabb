import { spawnSync } from 'node:child_process';
import { createReadStream, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { basename, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { loadShippedModel, run } from '@fovea/engine';
import { toOnnx } from '@fovea/engine/onnx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withJoins } from '../engine/support/joined-network.js';
import { randomImages, relativeError, smallNetwork } from '../engine/support/small-network.js';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const isBuilt = existsSync(join(root, 'engine/lib/entries/web.js'));
const SHOTS = join(root, 'test/output/web-gpu');
const TYPES: Readonly<Record<string, string>> = { '.html': 'text/html', '.js': 'text/javascript' };

interface ExamplePage {
  computeValues(values: number[]): Promise<{ output: number[]; cells: number[][] }>;
}

describe.skipIf(!hasChromium || !isBuilt)(
  'the engine on a browser’s GPU (needs Chromium and npm run build)',
  () => {
    let site: string;
    let server: Server;
    let browser: WatchedPage;

    beforeAll(async () => {
      site = mkdtempSync(join(tmpdir(), 'fovea-web-'));
      const built = spawnSync(process.execPath, [join(root, 'scripts/web-example.mjs'), site], {
        encoding: 'utf8',
      });
      expect(built.stderr.replaceAll(/^npm warn.*$/gm, '').trim()).toBe('');
      server = createServer((request, response) => {
        const file = join(site, basename(new URL(request.url!, 'http://x').pathname) || 'index.html');
        if (!existsSync(file)) {
          response.writeHead(404).end();
          return;
        }
        response.writeHead(200, { 'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream' });
        createReadStream(file).pipe(response);
      });
      await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
      browser = await openPage({ width: 900, height: 1100, gpu: true });
      await browser.page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/index.html`);
      await browser.page.waitForFunction('"computeValues" in globalThis');
    });

    afterAll(async () => {
      await browser?.close();
      await new Promise((closed) => (server ? server.close(closed) : closed(undefined)));
      rmSync(site, { recursive: true, force: true });
    });

    it('is at most 300 kB of script, compressed, with nothing of Node in it', () => {
      const scripts = readdirSync(site).filter((name) => name.endsWith('.js'));
      const contents = scripts.map((name) => readFileSync(join(site, name)));
      expect(contents.reduce((sum, content) => sum + gzipSync(content).length, 0)).toBeLessThan(300e3);
      expect(contents.join('\n')).not.toMatch(/(from|import\(?)\s*["']node:/);
    });

    it('computes what native threads compute, masks cell for cell', async () => {
      const network = await loadShippedModel();
      const images = randomImages(network);
      const expected = await run(network, images, {
        backend: 'native',
        masker: 'learned',
        strategy: 'lasnet',
      });
      const { output, cells } = await browser.page.evaluate(
        (values) => (globalThis as unknown as ExamplePage).computeValues(values),
        [...images.data],
      );
      expect(relativeError(output, expected.output.data)).toBeLessThan(1e-4);
      expect(cells).toEqual(expected.masks.map((mask) => [...mask.cells]));
    });

    it('computes a network that is dropped as an ONNX file, and says why it refuses another', async () => {
      const { page } = browser;
      const network = withJoins(smallNetwork(), 'half-pixel');
      const mimeType = 'application/octet-stream';
      const name = page.locator('#network');
      await page.setInputFiles('#file', {
        name: 'small.onnx',
        mimeType,
        buffer: Buffer.from(toOnnx(network, { maskers: true })),
      });
      await expect.poll(() => name.textContent()).toMatch(/^small, \d+ residual blocks$/);
      const images = randomImages(network);
      const expected = await run(network, images, { masker: 'learned', strategy: 'lasnet' });
      const { output, cells } = await page.evaluate(
        (values) => (globalThis as unknown as ExamplePage).computeValues(values),
        [...images.data],
      );
      expect(relativeError(output, expected.output.data)).toBeLessThan(1e-4);
      expect(cells).toEqual(expected.masks.map((mask) => [...mask.cells]));
      const foreign = join(root, 'test/fixtures/networks/mid_Einsum.onnx');
      await page.setInputFiles('#file', foreign);
      const fault = page.locator('#fault');
      await expect
        .poll(() => fault.textContent())
        .toMatch(/^mid_Einsum has pieces that only onnxruntime computes/);
      expect(await name.textContent()).toMatch(/^small,/);
      await page.setInputFiles('#file', join(site, 'quick-look.safetensors'));
      await expect.poll(() => name.textContent()).toMatch(/^quick-look,/);
      expect(await fault.textContent()).toBe('');
    });

    it('answers for an image that is chosen, and again at another rate', async () => {
      const { page } = browser;
      const canvas = await page.evaluate(() => {
        const drawn = document.createElement('canvas');
        drawn.width = drawn.height = 128;
        const context = drawn.getContext('2d')!;
        context.fillStyle = '#8bf';
        context.fillRect(0, 0, 128, 128);
        context.fillStyle = '#c22';
        context.arc(64, 70, 30, 0, 7);
        context.fill();
        return drawn.toDataURL('image/png').split(',')[1]!;
      });
      const buffer = Buffer.from(canvas, 'base64');
      await page.setInputFiles('#file', { name: 'ball.png', mimeType: 'image/png', buffer });
      const answer = page.locator('#answer');
      await expect.poll(() => answer.textContent()).toMatch(/ms on .*% of the FLOPs/);
      const share = async () => Number(/(\d+) % of the FLOPs/.exec((await answer.textContent())!)![1]);
      await page.locator('#rate').fill('1');
      await expect.poll(share).toBe(100);
      await page.locator('#rate').fill('0.25');
      await expect.poll(share).toBeLessThan(70);
      await page.screenshot({ path: join(SHOTS, 'page.png') });
      expect(await page.locator('#fault').textContent()).toBe('');
      expect(browser.errors).toEqual([]);
      expect(browser.foreign).toEqual([]);
    });

    it('names a file that is neither image nor network, and goes on showing what it showed', async () => {
      const { page } = browser;
      const [answer, fault] = [page.locator('#answer'), page.locator('#fault')];
      const before = await answer.textContent();
      for (const [name, message] of [
        ['notes.txt', /^notes\.txt is no image that this browser can read, nor a network\.$/],
        ['notes.onnx', /^notes is not a readable ONNX file: .*; nor does it begin like a safetensors file/],
      ] as const) {
        const buffer = Buffer.from('not an image');
        await page.setInputFiles('#file', { name, mimeType: 'text/plain', buffer });
        await expect.poll(() => fault.textContent()).toMatch(message);
        expect(await answer.textContent()).toBe(before);
      }
    });

    it('computes the latest of many rates, not all of them', async () => {
      const { page } = browser;
      await page.evaluate(() => {
        const rate = document.getElementById('rate') as HTMLInputElement;
        const answer = document.getElementById('answer')!;
        const seen: string[] = [];
        new MutationObserver(() => seen.push(answer.textContent)).observe(answer, { childList: true });
        Object.assign(globalThis, { seen });
        for (let i = 0; i <= 20; i++) {
          rate.value = String(i / 20);
          rate.dispatchEvent(new Event('input'));
        }
      });
      await expect.poll(() => page.locator('#answer').textContent()).toMatch(/100 % of the FLOPs/);
      const seen = await page.evaluate(() => (globalThis as unknown as { seen: string[] }).seen);
      expect(seen.length).toBeLessThan(5);
      expect(browser.errors).toEqual([]);
    });

    it('shows an image without WebGPU too, and says what is missing', async () => {
      const { page, errors, close } = await openPage({ width: 360, height: 700 });
      try {
        await page.goto(browser.page.url());
        await page.waitForFunction('"computeValues" in globalThis');
        const fault = page.locator('#fault');
        expect(await fault.textContent()).toMatch(/^WebGPU found no adapter: .* hardware acceleration/);
        const blue = await page.evaluate(() => {
          const canvas = document.createElement('canvas');
          canvas.getContext('2d')!.fillStyle = '#00f';
          canvas.getContext('2d')!.fillRect(0, 0, 300, 150);
          return canvas.toDataURL('image/webp').split(',')[1]!;
        });
        const buffer = Buffer.from(blue, 'base64');
        await page.setInputFiles('#file', { name: 'blue.webp', mimeType: 'image/webp', buffer });
        const drawn = () =>
          page.evaluate(() => {
            const view = document.getElementById('view') as HTMLCanvasElement;
            return view.getContext('2d')!.getImageData(250, 250, 1, 1).data[2]!;
          });
        await expect.poll(drawn).toBeGreaterThan(250);
        await expect.poll(() => fault.textContent()).toMatch(/^WebGPU found no adapter/);
        expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(360);
        expect(errors).toEqual([]);
      } finally {
        await close();
      }
    });
  },
);
