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

    it('stays below 600 kB compressed, the plotting library included', () => {
      const bytes = filesBelow(FOLDER).reduce(
        (sum, file) => sum + gzipSync(readFileSync(join(FOLDER, file))).length,
        0,
      );
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

    it('shares JupyterLab instead of bundling it', () => {
      const { packages } = JSON.parse(readFileSync(join(FOLDER, 'static/third-party-licenses.json'), 'utf8'));
      const names = packages.map(({ name }: { name: string }) => name) as string[];
      expect(names.filter((name) => name.startsWith('@jupyterlab/') || name.startsWith('@lumino/'))).toEqual(
        [],
      );
    });
  },
);
