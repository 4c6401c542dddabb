import { join } from 'node:path';
import { BUSY_ICON_SVG, ICON_SVG } from '../../presentation/index.js';
import { HttpError } from '../http/errors.js';
import { type Reply, redirect } from '../http/reply.js';
import type { Router } from '../http/router.js';
import { FOREVER, staticFile } from '../http/static.js';
import type { Guard } from '../security/guard.js';
import { registerLabextensions } from './labextensions.js';
import { registerLicenses } from './licenses.js';
import { type PageOptions, registerPage } from './page.js';
import { Settings } from './settings.js';
import { registerThemes } from './themes.js';
import { registerTranslations } from './translations.js';
import { Workspaces } from './workspaces.js';

/** What the lab's part of the server needs. */
export interface LabOptions extends PageOptions {
  /** Where settings and layouts are kept. */
  readonly stateFolder: string;
}

/** Icons of the browser's tab. */
const FAVICONS: ReadonlyMap<string, string> = new Map([
  ['favicon.svg', ICON_SVG],
  ['favicon-busy.svg', BUSY_ICON_SVG],
]);

function favicon(name: string): Reply {
  const svg = FAVICONS.get(name);
  if (svg === undefined) throw new HttpError(404, `No such icon: ${name}`);
  return {
    status: 200,
    headers: { 'Content-Type': 'image/svg+xml; charset=utf-8', 'Cache-Control': 'no-cache' },
    body: svg,
  };
}

/** Adds everything that JupyterLab needs beyond the Jupyter Server API: its page, scripts and settings. */
export function registerLab(router: Router, guard: Guard, options: LabOptions): void {
  const { assets, labextensions, stateFolder, rootFolder } = options;
  const besides = (name: string) => [
    join(assets.app, name),
    ...labextensions().map(({ folder }) => join(folder, name)),
  ];
  router.on('GET', '/', () => redirect(router.link('/lab')), 'page');
  registerPage(router, options, guard);
  const scripts = join(assets.app, 'static');
  router.on(
    'GET',
    '/static/lab/*path',
    (call) => staticFile(call.request, scripts, call.params.path!, { 'Cache-Control': FOREVER }),
    'everybody',
  );
  router.on('GET', '/static/favicons/:file', (call) => favicon(call.params.file!), 'everybody');
  router.on('GET', '/favicon.ico', () => favicon('favicon.svg'), 'everybody');
  registerLabextensions(router, labextensions);
  new Settings(() => besides('schemas'), stateFolder).register(router);
  new Workspaces(join(stateFolder, 'workspaces'), rootFolder).register(router);
  registerThemes(router, () => besides('themes'));
  registerTranslations(router);
  registerLicenses(router, assets.app, labextensions);
}
