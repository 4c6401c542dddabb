import os from 'node:os';

/** Labels that every machine has by default. */
export function ownLabels(): Readonly<Record<string, string>> {
  return { host: os.hostname(), arch: process.arch, platform: process.platform };
}
