/**
 * What tarballs hold of a package's JavaScript and C++: the code without comments, a fifth of it. Users of the package
 * read them in its declarations.
 */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { transformSync } from 'esbuild';
import { npm } from './npm.mjs';
import { root } from './steps.mjs';

/**
 * Copies what npm would pack of a package into a folder to pack instead, its code without comments.
 * @param folder of the package, in the root
 * @param name that npm knows the package by
 */
export function packedCopy(folder, name) {
  const { status, stdout, stderr } = npm(['pack', '--dry-run', '--json', `--workspace=${name}`], {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  if (status !== 0) throw new Error(stderr);
  const [{ files }] = Object.values(JSON.parse(stdout));
  const copy = mkdtempSync(join(tmpdir(), `fovea-packed-${folder}-`));
  for (const { path } of files) {
    const target = join(copy, path);
    mkdirSync(dirname(target), { recursive: true });
    const source = join(root, folder, path);
    if (/^lib\/.*\.js$/.test(path)) writeFileSync(target, withoutComments(readFileSync(source, 'utf8')));
    else if (/^native\/.*\.(cc|h)$/.test(path))
      writeFileSync(target, withoutNativeComments(readFileSync(source, 'utf8')));
    else cpSync(source, target);
  }
  return copy;
}

/** A first line for the shell stays: it is no comment. */
const withoutComments = (code) =>
  transformSync(code, { legalComments: 'none', charset: 'utf8', target: 'es2023' }).code;

/** Texts and characters, which may hold what looks like a comment, or a comment with the blanks before it. */
const textOrComment = /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|[ \t]*\/\/[^\n]*|[ \t]*\/\*[\s\S]*?\*\//g;

/** Of C++ without raw strings, which is compiled and not read: blanks and empty lines are left out, too. */
const withoutNativeComments = (code) =>
  code
    .replace(textOrComment, (_, text = '') => text)
    .replace(/^[ \t]+|[ \t]+$/gm, '')
    .replace(/\n{2,}/g, '\n')
    .trimStart();
