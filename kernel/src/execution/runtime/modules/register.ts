import { readFileSync } from 'node:fs';
import module from 'node:module';
import process from 'node:process';
import { compileFile } from './compile.js';
import { synchronousHooks } from './hooks.js';

/** Registers the hooks for the user's own modules in this thread. */
export function hookModules(): void {
  const { registerHooks } = module as unknown as { registerHooks?(hooks: object): void };
  if (registerHooks) registerHooks(synchronousHooks);
  else {
    module.register('./hooks.js', import.meta.url);
    requireTypeScript();
  }
  // With this, stacks show the lines of the source.
  process.setSourceMapsEnabled(true);
}

/** Lets `require` load TypeScript where module hooks do not concern it. */
function requireTypeScript(): void {
  const { _extensions: extensions } = module as unknown as {
    _extensions: Record<
      string,
      (target: { _compile(code: string, file: string): void }, file: string) => void
    >;
  };
  for (const extension of ['.ts', '.tsx', '.cts', '.mts', '.jsx']) {
    extensions[extension] ??= (target, file) =>
      target._compile(compileFile(readFileSync(file, 'utf8'), file, 'commonjs').code, file);
  }
}
