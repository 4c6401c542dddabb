import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';

const extension = fileURLToPath(new URL('../../../extension', import.meta.url));
const isBuilt = existsSync(`${extension}/lib/index.js`);

describe.skipIf(!isBuilt)('the prebuilt labextension (skipped before the sources are compiled)', () => {
  const output = `${extension}/${manifest().jupyterlab.outputDir}`;

  beforeAll(() => {
    const { status, stderr } = spawnSync(process.execPath, [`${extension}/build.mjs`], { encoding: 'utf8' });
    expect(status, stderr).toBe(0);
  });

  const scripts = () =>
    readdirSync(`${output}/static`)
      .filter((name) => name.endsWith('.js'))
      .map((name) => {
        const bytes = readFileSync(`${output}/static/${name}`);
        return { name, bytes, gzip: gzipSync(bytes).length };
      });

  it('holds both entries and the settings', () => {
    const { jupyterlab } = JSON.parse(readFileSync(`${output}/package.json`, 'utf8'));
    expect(jupyterlab._build).toMatchObject({ extension: './extension', mimeExtension: './mimeExtension' });
    expect(existsSync(`${output}/schemas/@fovea/lab/plugin.json`)).toBe(true);
  });

  it('loads little before the first figure: plotly and the engine for GPUs are chunks of their own', () => {
    const chunks = scripts();
    const apart = ['scatterlayer', '@compute @workgroup_size'].map((mark) => {
      const marked = chunks.filter(({ bytes }) => bytes.includes(mark));
      expect(marked, mark).toHaveLength(1);
      return marked[0]!;
    });
    expect(new Set(apart).size).toBe(2);
    // The engine's worker loads what it shares with nothing else by itself.
    const entry = chunks.find(({ name }) => name.startsWith('remoteEntry.'))!;
    const ofPage = chunks.filter(
      ({ name }) => name === entry.name || entry.bytes.includes(name.split('.')[1]!),
    );
    const rest = ofPage.filter((chunk) => !apart.includes(chunk));
    expect(rest.length).toBeGreaterThan(3);
    expect(rest.reduce((sum, { gzip }) => sum + gzip, 0)).toBeLessThan(60_000);
  });

  it('names no other place that code could be loaded from', () => {
    for (const { name, bytes } of scripts()) {
      expect(/(?:src|import)\(?\s*=?\s*["']https?:/.test(bytes.toString('latin1')), name).toBe(false);
    }
  });
});

function manifest(): { jupyterlab: { outputDir: string } } {
  return JSON.parse(readFileSync(`${extension}/package.json`, 'utf8'));
}
