import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';

/** npm's own JavaScript: that of the npm which runs this script, or on Windows the one beside Node. */
function npmScript() {
  const { npm_execpath: running } = process.env;
  if (running?.endsWith('npm-cli.js')) return running;
  // Windows starts `npm.cmd` only through a shell, which would take paths with spaces apart.
  return process.platform === 'win32'
    ? join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js')
    : undefined;
}

/** The program that runs npm, and its first arguments. */
export function npmProgram() {
  const script = npmScript();
  return script === undefined ? ['npm'] : [process.execPath, script];
}

/** Runs npm; the same as `spawnSync` with its program. */
export function npm(args, options) {
  const [program, ...first] = npmProgram();
  return spawnSync(program, [...first, ...args], options);
}
