import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { html } from '../http/reply.js';
import type { Call, Router } from '../http/router.js';
import { UNTRACKED_REQUESTS } from '../kernels/kernel.js';
import type { Guard } from '../security/guard.js';
import { pagePolicy } from '../security/policy.js';
import type { LabAssets } from './assets.js';
import type { Labextension } from './labextensions.js';

/** What the page's configuration says that differs between servers. */
export interface PageOptions {
  readonly assets: LabAssets;
  readonly labextensions: () => readonly Labextension[];
  readonly version: string;
  /** Shown to the user as the root of the file browser. */
  readonly rootFolder: string;
  /** Leaves the application in `window.jupyterapp`, for tests. */
  readonly exposeApp: boolean;
  /** Whether names that start with a dot are shown. */
  readonly allowHidden: boolean;
  /** Whether the confirmation of a deletion mentions the trash, or permanent deletion. */
  readonly deleteToTrash: boolean;
  /** Whether terminals can be opened; without, the launcher shows none. */
  readonly terminals: boolean;
}

/**
 * Plugins of JupyterLab that have nothing to talk to here: news from the internet, and language servers, which
 * the kernel's own completion replaces. And the one that runs `application/javascript` of outputs: the page runs
 * scripts of the build alone.
 */
const DISABLED = [
  '@jupyterlab/apputils-extension:announcements',
  '@jupyterlab/javascript-extension',
  '@jupyterlab/lsp-extension',
  '@jupyterlab/notebook-extension:language-server',
  '@jupyterlab/fileeditor-extension:language-server',
];

function pageConfig(options: PageOptions, router: Router, call: Call) {
  const { labextensions, version, rootFolder, exposeApp, allowHidden, deleteToTrash, terminals } = options;
  const extensions = labextensions();
  const isDocument = call.url.pathname.startsWith('/doc');
  return {
    appName: 'Fovea',
    appNamespace: 'lab',
    appVersion: version,
    appUrl: '/lab',
    baseUrl: router.link('/'),
    wsUrl: '',
    token: '',
    docUrl: '/doc',
    treeUrl: '/lab/tree',
    fullAppUrl: router.link('/lab'),
    fullTreeUrl: router.link('/lab/tree'),
    fullStaticUrl: router.link('/static/lab'),
    labextensionsUrl: router.link('/lab/extensions'),
    fullLabextensionsUrl: router.link('/lab/extensions'),
    settingsUrl: '/lab/api/settings',
    fullSettingsUrl: router.link('/lab/api/settings'),
    themesUrl: '/lab/api/themes',
    fullThemesUrl: router.link('/lab/api/themes'),
    translationsApiUrl: '/lab/api/translations',
    fullTranslationsApiUrl: router.link('/lab/api/translations'),
    workspacesApiUrl: '/lab/api/workspaces',
    fullWorkspacesApiUrl: router.link('/lab/api/workspaces'),
    licensesUrl: '/lab/api/licenses',
    fullLicensesUrl: router.link('/lab/api/licenses'),
    listingsUrl: '/lab/api/listings',
    mode: isDocument ? 'single-document' : 'multiple-document',
    workspace: call.params.workspace ?? 'default',
    treePath: call.params.path ?? '',
    preferredPath: '/',
    serverRoot: rootFolder,
    terminalsAvailable: String(terminals),
    cacheFiles: 'true',
    devMode: 'false',
    buildAvailable: 'false',
    buildCheck: 'false',
    quitButton: 'true',
    notebookStartsKernel: 'true',
    // From 2.18 on JupyterLab asks whether to sanitize an export; here it always is sanitized.
    notebookVersion: '[2, 17, 0]',
    allow_hidden_files: String(allowHidden),
    delete_to_trash: String(deleteToTrash),
    untracked_message_types: JSON.stringify(UNTRACKED_REQUESTS),
    news: { disabled: true },
    exposeAppInBrowser: String(exposeApp),
    ignorePlugins: [],
    disabledExtensions: [...DISABLED, ...extensions.flatMap(({ disabledExtensions }) => disabledExtensions)],
    deferredExtensions: [],
    federated_extensions: extensions.map(({ federated }) => federated),
  };
}

function pageText(options: PageOptions, router: Router, call: Call): string {
  const scripts = JSON.parse(readFileSync(join(options.assets.app, 'entry.json'), 'utf8')) as string[];
  const config = JSON.stringify(pageConfig(options, router, call)).replace(/</g, '\\u003c');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>Fovea</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<script id="jupyter-config-data" type="application/json">${config}</script>
<link rel="icon" type="image/svg+xml" href="${router.link('/static')}/favicons/favicon.svg" class="idle favicon">
<link rel="" type="image/svg+xml" href="${router.link('/static')}/favicons/favicon-busy.svg" class="busy favicon">
${scripts.map((script) => `<script defer src="${router.link('/static/lab')}/${script}"></script>`).join('\n')}
</head>
<body class="jp-ThemedContainer"></body>
</html>
`;
}

/** Adds the routes that return the lab's page. */
export function registerPage(router: Router, options: PageOptions, guard: Guard): void {
  const page = (call: Call) => {
    const policy = pagePolicy(call.address.host, router.base);
    const cookies = guard.issueCookies(call.address);
    return html(pageText(options, router, call), policy, 200, { 'Set-Cookie': cookies });
  };
  for (const path of [
    '/lab',
    '/lab/tree/*path',
    '/lab/workspaces/:workspace',
    '/lab/workspaces/:workspace/tree/*path',
    '/doc',
    '/doc/tree/*path',
    '/doc/workspaces/:workspace/tree/*path',
  ]) {
    router.on('GET', path, page, 'page');
  }
}
