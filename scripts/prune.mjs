import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './steps.mjs';

/** Removes from `lib/` what was compiled from sources that are no longer there: TypeScript leaves it behind. */
export function pruneOutputs(folder) {
  const lib = join(root, folder, 'lib');
  if (!existsSync(lib)) return;
  for (const path of readdirSync(lib, { recursive: true })) {
    const source = path.replace(/(?:\.d\.ts|\.js)(?:\.map)?$/, '');
    if (
      source === path ||
      ['.ts', '.tsx'].some((ending) => existsSync(join(root, folder, 'src', source + ending)))
    )
      continue;
    rmSync(join(lib, path), { force: true });
  }
}
