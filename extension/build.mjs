/**
 * Builds the prebuilt labextension into dist/. The package itself has no entry that could be imported, and depends on
 * nothing; JupyterLab's builder wants both, so it gets a manifest of its own.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fingerprint, isUpToDate, writeStamp } from '../scripts/fingerprint.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const manifest = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
const { extension, mimeExtension, schemaDir, outputDir } = manifest.jupyterlab;
const output = join(here, outputDir);
/** Beside the output, not in it: everything inside is copied to where Jupyter looks. */
const stamp = join(here, 'dist', '.fingerprint');
/** The engine is bundled for the worker of this browser's GPU, the kernel's presentation with the displays. */
const print = fingerprint(
  [
    ...['lib', '../engine/lib', '../kernel/lib/presentation'],
    ...['style', 'schema', 'package.json', 'build.mjs'],
  ].map((path) => join(here, path)),
  'extension',
);

if (isUpToDate(stamp, print)) process.exit(0);
rmSync(stamp, { force: true });
rmSync(output, { recursive: true, force: true });
mkdirSync(dirname(stamp), { recursive: true });

const staging = mkdtempSync(join(here, 'dist', '.build-'));
const fromStaging = (path) => relative(staging, join(here, path));
writeFileSync(
  join(staging, 'package.json'),
  JSON.stringify({
    name: manifest.name,
    version: manifest.version,
    main: fromStaging(extension),
    styleModule: fromStaging('style/index.mjs'),
    dependencies: {},
    jupyterlab: {
      ...manifest.jupyterlab,
      extension: fromStaging(extension),
      mimeExtension: fromStaging(mimeExtension),
      schemaDir: fromStaging(schemaDir),
      outputDir: fromStaging(outputDir),
    },
  }),
);
const require = createRequire(import.meta.url);
const builder = join(dirname(require.resolve('@jupyter/builder')), 'build-labextension.js');
const coreMeta = require.resolve('@jupyterlab/core-meta/core.package.json');
const { status, stdout, stderr } = spawnSync(
  process.execPath,
  [builder, '--core-package-file', coreMeta, staging],
  { encoding: 'utf8' },
);
rmSync(staging, { recursive: true });
if (status !== 0) {
  process.stderr.write(`${stdout}${stderr}`);
  process.exit(status ?? 1);
}

/** What Jupyter reads of a labextension: what it is, and what the builder says about where it begins. */
const installed = join(output, 'package.json');
const { _build } = JSON.parse(readFileSync(installed, 'utf8')).jupyterlab;
const { name, version, description, license, author, keywords, jupyterlab } = manifest;
/** What is shared with the JupyterLab that loads it; `jupyter labextension list` compares these ranges with its own. */
const dependencies = Object.fromEntries(
  Object.entries(manifest.devDependencies).filter(
    ([dependency, range]) => /^@(jupyterlab|lumino)\//.test(dependency) && range.startsWith('^'),
  ),
);
const about = {
  name,
  version,
  description,
  license,
  author,
  keywords,
  dependencies,
  jupyterlab: { ...jupyterlab, _build },
};
writeFileSync(installed, `${JSON.stringify(about, null, 2)}\n`);
writeStamp(stamp, print);
