/**
 * What tarballs hold of a package's declarations: those that the `types` of its `exports` reach. The others describe
 * internals that nobody can import, and are most of them.
 *
 * JavaScript is packed whole: modules may also be opened by their address, as workers are, and no tool sees that.
 * Source maps and declaration maps stay out, since the sources that they point to are not packed.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve, sep } from 'node:path';
import { root } from './steps.mjs';

const ignoredOf = (folder) => join(root, folder, 'lib/.npmignore');

/** Has npm pack, of a package's declarations, only those that its entries reach, until `packAllDeclarations`. */
export function packReachedDeclarations(folder) {
  const reached = reachedDeclarations(folder).map((path) => `!/${path}`);
  writeFileSync(ignoredOf(folder), ['*.d.ts', ...reached, ''].join('\n'));
}

export function packAllDeclarations(folder) {
  rmSync(ignoredOf(folder), { force: true });
}

/** The declarations that TypeScript reads for the package's entries, as paths below its lib/. */
function reachedDeclarations(folder) {
  const cwd = join(root, folder);
  const { exports } = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8'));
  const entries = Object.values(exports).flatMap(({ types }) => types ?? []);
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(root, 'node_modules/typescript/bin/tsc'),
      ...['--listFilesOnly', '--ignoreConfig', '--noEmit', '--skipLibCheck'],
      ...['--module', 'nodenext', '--target', 'es2023', '--types', 'node', ...entries],
    ],
    { cwd, encoding: 'utf8', maxBuffer: 2 ** 26 },
  );
  if (status !== 0) throw new Error(`TypeScript could not list the declarations:\n${stdout}${stderr}`);
  return stdout
    .split(/\r?\n/)
    .map((file) => relative(join(cwd, 'lib'), resolve(cwd, file)).split(sep).join('/'))
    .filter((path) => path.endsWith('.d.ts') && !path.startsWith('..'))
    .sort();
}
