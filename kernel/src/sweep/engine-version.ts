import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/**
 * Version of the engine that this installation computes with. Read from its manifest: a worker waits without the engine
 * in its memory.
 */
export const engineVersion = (
  JSON.parse(readFileSync(createRequire(import.meta.url).resolve('@fovea/engine/package.json'), 'utf8')) as {
    version: string;
  }
).version;
