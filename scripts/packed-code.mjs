/**
 * What tarballs hold of a package's code: JavaScript and C++ without comments, a fifth of them, and JavaScript in esbuild's
 * shorter syntax without blanks, its names as they were. Users of the package read comments in the declarations of what
 * they can import; the other declarations have none either.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
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
  const documented = importable(join(root, folder));
  for (const { path } of files) {
    const target = join(copy, path);
    mkdirSync(dirname(target), { recursive: true });
    const source = join(root, folder, path);
    if (/^lib\/.*\.js$/.test(path)) writeFileSync(target, withoutComments(readFileSync(source, 'utf8')));
    else if (/^native\/.*\.(cc|h)$/.test(path))
      writeFileSync(target, withoutNativeComments(readFileSync(source, 'utf8')));
    else if (path.endsWith('.d.ts') && !documented.has(source))
      writeFileSync(target, withoutComment(readFileSync(source, 'utf8')));
    else cpSync(source, target);
  }
  return copy;
}

/** The declarations that a package's entries are, and those that they export names of. */
function importable(folder) {
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const found = new Set();
  const add = (file) => {
    if (found.has(file) || !existsSync(file)) return;
    found.add(file);
    for (const [, module] of readFileSync(file, 'utf8').matchAll(/^export [^;]* from '(\.[^']*)\.js'/gm))
      add(join(dirname(file), `${module}.d.ts`));
  };
  for (const { types } of Object.values(exports ?? {})) if (types) add(join(folder, types));
  return found;
}

/** A first line for the shell stays: it is no comment. Lines stay short, so that a stack still says a place. */
const withoutComments = (code) =>
  transformSync(code, {
    ...{ legalComments: 'none', charset: 'utf8', target: 'es2023' },
    ...{ minifySyntax: true, minifyWhitespace: true, lineLimit: 120 },
  }).code;

/**
 * Texts, characters and references of declarations, which may hold what looks like a comment, or a comment with the blanks
 * before it.
 */
const textOrComment =
  /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|\/\/\/ *<[^\n]*)|[ \t]*\/\/[^\n]*|[ \t]*\/\*[\s\S]*?\*\//g;

/** Of C++ without raw strings, or of declarations. */
const withoutComment = (code) => code.replace(textOrComment, (_, text = '') => text).replace(/\n{2,}/g, '\n');

/** Of C++, which is compiled and not read: blanks and empty lines are left out, too. */
const withoutNativeComments = (code) =>
  withoutComment(code)
    .replace(/^[ \t]+|[ \t]+$/gm, '')
    .replace(/\n{2,}/g, '\n')
    .trimStart();
