import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { HttpError } from '../http/errors.js';
import type { Router } from '../http/router.js';
import { staticFile } from '../http/static.js';

/** Serves style sheets of themes: those of the application first, then those of labextensions. */
export function registerThemes(router: Router, folders: () => readonly string[]): void {
  router.on('GET', '/lab/api/themes/*path', (call) => {
    const path = call.params.path!;
    const folder = folders().find((candidate) => existsSync(join(candidate, path)));
    if (!folder) throw new HttpError(404, `No such theme: ${path}`);
    return staticFile(call.request, folder, path);
  });
}
