import { readFile, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve, sep } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import { refusal, replaceFile } from '@fovea/engine/files';
import type { Command } from 'commander';
import type { ReadAsset } from '../../export/markdown.js';
import type { Notebook } from '../../export/nbformat.js';
import { GENERATOR } from '../../export/page.js';
import { renderNotebook } from '../../export/render.js';
import { parseNotebook } from '../../server/contents/notebook.js';
import { mediaType } from '../../server/http/media-types.js';
import { describeArgument } from '../options/argument.js';
import { isSameFile } from '../output/same-file.js';

interface ExportOptions {
  readonly to: string;
  readonly output?: string;
  readonly force?: boolean;
}

/** `fovea export`: a notebook as a self-contained page, to hand in, print or mail. */
export function register(command: Command): void {
  describeArgument(command, 'an .ipynb file')
    .option('--to <format>', 'what to write: html (print it from a browser for a PDF)', 'html')
    .option('--output <file>', 'where to write it, - for standard output (default: beside the notebook)')
    .option('--force', 'replace a file that was not written by an export')
    .action(async (notebook: string, { to, output, force }: ExportOptions) => {
      if (to !== 'html') {
        throw new FoveaError('bad-argument', `--to ${to}: html is accepted; a browser prints it as PDF`);
      }
      const name = basename(notebook, extname(notebook));
      const text = await readFile(notebook, 'utf8').catch((error: NodeJS.ErrnoException) => {
        throw new FoveaError('io', `cannot read ${notebook}: ${refusal(error, 'file')}`);
      });
      const page = await renderNotebook(parseNotebook(text, notebook) as unknown as Notebook, {
        title: name,
        readAsset: assetsBeside(dirname(notebook)),
      });
      if (output === '-') {
        process.stdout.write(page);
        return;
      }
      const file = output ?? join(dirname(notebook), `${name}.html`);
      if (await isSameFile(file, notebook)) {
        throw new FoveaError('bad-argument', `cannot save ${file}: it is the notebook itself; name another`);
      }
      if (!force) await checkReplaceable(file);
      await replaceFile(file, page);
      process.stdout.write(`${file}\n`);
    });
}

/** @throws FoveaError `io` if the file exists and was not written by an export */
async function checkReplaceable(file: string): Promise<void> {
  const before = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw new FoveaError('io', `cannot save ${file}: ${refusal(error, 'file')}`);
  });
  if (before !== undefined && !before.slice(0, 2000).includes(GENERATOR)) {
    throw new FoveaError(
      'io',
      `${file} exists and is no export: --force replaces it, --output names another`,
    );
  }
}

/**
 * Reads pictures by their paths relative to the notebook's folder, below it or below the current folder: a
 * notebook from elsewhere must not put other pictures of this machine into a page that is handed on.
 */
function assetsBeside(folder: string): ReadAsset {
  return async (path) => {
    const mime = mediaType(path);
    if (!mime?.startsWith('image/')) return undefined;
    try {
      const file = await realpath(resolve(folder, path));
      const bases = await Promise.all([realpath(folder), realpath('.')]);
      if (!bases.some((base) => file.startsWith(base + sep))) return undefined;
      // A pipe would be waited for.
      return (await stat(file)).isFile() ? { mime, bytes: await readFile(file) } : undefined;
    } catch {
      return undefined;
    }
  };
}
