/**
 * npm run wheel [-- FOLDER]: packs the labextension, the kernelspec and what teaches papermill to write TypeScript
 * into a wheel for pip, with Node alone.
 * The kernel itself stays an npm package: the kernelspec in the wheel calls the module `fovea_kernel`, which finds
 * Node and the package or says how to get them.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, posix, relative, resolve, sep } from 'node:path';
import { zipSync } from 'fflate';
import { build, ensureInstalled, root } from './steps.mjs';

ensureInstalled();
build();
const { foveaSpec } = await import('../kernel/lib/server/kernelspecs.js');

const { version, description, license } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const name = 'fovea_lab';
const data = `${name}-${version}.data/data/share/jupyter`;
const info = `${name}-${version}.dist-info`;
/** Fixed, so that the same build gives the same bytes: the first moment that a zip file can express. */
const MODIFIED = new Date(1980, 0, 1);

const files = new Map();
const add = (path, content) => files.set(path, Buffer.from(content));

function addFolder(folder, path) {
  for (const entry of readdirSync(folder, { recursive: true }).sort()) {
    const file = join(folder, entry);
    if (statSync(file).isFile() && !file.includes('__pycache__')) {
      add(posix.join(path, relative(folder, file).split(sep).join('/')), readFileSync(file));
    }
  }
}

const labextension = `${data}/labextensions/@fovea/lab`;
addFolder(join(root, 'extension/dist/@fovea/lab'), labextension);
const note = {
  packageManager: 'python',
  packageName: name,
  uninstallInstructions: `pip uninstall ${name}`,
};
add(`${labextension}/install.json`, `${JSON.stringify(note, null, 2)}\n`);

const kernelspec = `${data}/kernels/fovea`;
addFolder(join(root, 'kernel/resources/kernelspec'), kernelspec);
const spec = { ...foveaSpec(), argv: ['python', '-m', 'fovea_kernel', 'kernel', '-f', '{connection_file}'] };
add(`${kernelspec}/kernel.json`, `${JSON.stringify(spec, null, 2)}\n`);

addFolder(join(root, 'kernel/resources/python'), '.');
add(`${info}/entry_points.txt`, '[papermill.engine]\nfovea = fovea_papermill:FoveaEngine\n');

add(
  `${info}/METADATA`,
  [
    'Metadata-Version: 2.1',
    `Name: ${name.replaceAll('_', '-')}`,
    `Version: ${version}`,
    `Summary: ${description}`,
    `License: ${license}`,
    'Classifier: Framework :: Jupyter',
    'Classifier: Framework :: Jupyter :: JupyterLab :: 4',
    'Classifier: Framework :: Jupyter :: JupyterLab :: Extensions',
    'Classifier: Framework :: Jupyter :: JupyterLab :: Extensions :: Prebuilt',
    'Description-Content-Type: text/markdown',
    '',
    'The JupyterLab extension and the kernelspec of Fovea, and its parameters for papermill. The kernel itself is',
    'an npm package, found on the PATH, in `node_modules` or among the global ones:',
    '`npm install --global --ignore-scripts @fovea/kernel`, with Node 20.9 or later.',
    '',
  ].join('\n'),
);
add(`${info}/WHEEL`, 'Wheel-Version: 1.0\nGenerator: fovea\nRoot-Is-Purelib: true\nTag: py3-none-any\n');
add(`${info}/LICENSE`, readFileSync(join(root, 'LICENSE')));
const record = [...files].map(([path, content]) => {
  const hash = createHash('sha256').update(content).digest('base64url');
  return `${path},sha256=${hash},${content.length}\n`;
});
add(`${info}/RECORD`, `${record.join('')}${info}/RECORD,,\n`);

const entries = [...files].map(([path, content]) => [
  path,
  [content, { mtime: MODIFIED, os: 3, attrs: 0o100644 << 16 }],
]);
const folder = resolve(process.argv[2] ?? join(root, 'dist'));
mkdirSync(folder, { recursive: true });
const wheel = join(folder, `${name}-${version}-py3-none-any.whl`);
writeFileSync(wheel, zipSync(Object.fromEntries(entries), { level: 9 }));
process.stdout.write(`${wheel} (${Math.round(statSync(wheel).size / 1024)} kB)\n`);
