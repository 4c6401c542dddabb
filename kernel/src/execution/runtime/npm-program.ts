import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Where installations of Node keep npm, from the folder of the program: Windows and others. */
const places = ['node_modules', '../lib/node_modules'];

/**
 * The program that runs npm, and its first arguments: the npm that came with this Node, which also a kernel finds that
 * was started without a shell's PATH, and which Windows can start without a shell. Where none did, that of the PATH.
 *
 * @param node path of Node's program
 */
export function npmProgram(node = process.execPath): readonly [program: string, ...first: string[]] {
  const scripts = places.map((place) => join(dirname(node), place, 'npm', 'bin', 'npm-cli.js'));
  const script = scripts.find((candidate) => existsSync(candidate));
  return script === undefined ? ['npm'] : [node, script];
}
