import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';

const FOLDER = fileURLToPath(new URL('../../../extension/dist/@fovea/lab', import.meta.url));

const filesBelow = (folder: string): string[] =>
  (readdirSync(folder, { recursive: true }) as string[]).filter((name) =>
    statSync(join(folder, name)).isFile(),
  );

describe.skipIf(!existsSync(join(FOLDER, 'package.json')))(
  'the prebuilt labextension (needs npm run build)',
  () => {
    const data = () => JSON.parse(readFileSync(join(FOLDER, 'package.json'), 'utf8'));

    it('names its container and both of its modules, as JupyterLab reads them', () => {
      const { name, jupyterlab } = data();
      expect(name).toBe('@fovea/lab');
      expect(jupyterlab._build.load).toMatch(/^static\/remoteEntry\.[0-9a-f]+\.js$/);
      expect(jupyterlab._build).toMatchObject({
        extension: './extension',
        mimeExtension: './mimeExtension',
        style: './style',
      });
      expect(existsSync(join(FOLDER, jupyterlab._build.load))).toBe(true);
    });

    it('accepts every JupyterLab from 4.4 on, which `jupyter labextension list` checks', () => {
      const { dependencies } = data();
      expect(dependencies['@jupyterlab/application']).toBe('^4.4.0');
      const exact = Object.values(dependencies as Record<string, string>).filter((range) =>
        /^\d/.test(range),
      );
      expect(exact).toEqual([]);
    });

    it('brings its settings schema and the licences of what it bundles', () => {
      const files = filesBelow(FOLDER);
      expect(files).toContain(join('schemas', '@fovea', 'lab', 'plugin.json'));
      const { packages } = JSON.parse(readFileSync(join(FOLDER, 'static/third-party-licenses.json'), 'utf8'));
      expect(packages.map(({ name }: { name: string }) => name)).toContain('plotly.js-cartesian-dist-min');
    });

    /** Whether a script has the engine's kernels for GPUs in it. */
    const hasEngine = (content: Buffer) => content.includes('@compute @workgroup_size');

    it('stays below 600 kB compressed, the plotting library included, the engine for a worker not', () => {
      const bytes = filesBelow(FOLDER)
        .map((file) => readFileSync(join(FOLDER, file)))
        .filter((content) => !hasEngine(content))
        .reduce((sum, content) => sum + gzipSync(content).length, 0);
      expect(bytes).toBeGreaterThan(100_000);
      expect(bytes).toBeLessThan(600_000);
    });

    it('loads the plotting library apart, with the first figure', () => {
      const entry = readFileSync(join(FOLDER, data().jupyterlab._build.load), 'utf8');
      expect(entry.length).toBeLessThan(50_000);
      const large = filesBelow(join(FOLDER, 'static')).filter(
        (file) => statSync(join(FOLDER, 'static', file)).size > 500_000,
      );
      expect(large).toHaveLength(1);
    });

    it('keeps the engine to a worker’s script of its own, at most 300 kB compressed', () => {
      const scripts = filesBelow(join(FOLDER, 'static')).filter((file) => file.endsWith('.js'));
      const contents = scripts.map((file) => readFileSync(join(FOLDER, 'static', file)));
      const engines = contents.filter(hasEngine);
      expect(engines).toHaveLength(1);
      expect(gzipSync(engines[0]!).length).toBeLessThan(300_000);
      expect(engines[0]!.includes('fovea-live')).toBe(false);
      expect(engines[0]!.toString()).not.toMatch(/(from|import\(?|require\()\s*["']node:/);
    });

    it('shares JupyterLab instead of bundling it', () => {
      const { packages } = JSON.parse(readFileSync(join(FOLDER, 'static/third-party-licenses.json'), 'utf8'));
      const names = packages.map(({ name }: { name: string }) => name) as string[];
      expect(names.filter((name) => name.startsWith('@jupyterlab/') || name.startsWith('@lumino/'))).toEqual(
        [],
      );
    });
  },
);
