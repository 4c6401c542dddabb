import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { json } from '../http/reply.js';
import type { Router } from '../http/router.js';
import type { Labextension } from './labextensions.js';

const REPORT = join('static', 'third-party-licenses.json');

/** The licences of everything that was bundled: the application's, and each labextension's. */
export function registerLicenses(
  router: Router,
  app: string,
  labextensions: () => readonly Labextension[],
): void {
  const report = async (folder: string): Promise<unknown> => {
    try {
      return JSON.parse(await readFile(join(folder, REPORT), 'utf8'));
    } catch {
      return { packages: [] };
    }
  };
  router.on('GET', '/lab/api/licenses', async () => {
    const sources = [
      ['Fovea', app] as const,
      ...labextensions().map(({ name, folder }) => [name, folder] as const),
    ];
    const bundles = await Promise.all(sources.map(async ([name, folder]) => [name, await report(folder)]));
    return json({ bundles: Object.fromEntries(bundles) });
  });
}
