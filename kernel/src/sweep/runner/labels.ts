import os from 'node:os';

/** Labels that every machine has without being told. */
export function ownLabels(): Readonly<Record<string, string>> {
  return { host: os.hostname(), arch: process.arch, platform: process.platform };
}
