import { html } from '../http/reply.js';
import type { Router } from '../http/router.js';
import type { Guard } from './guard.js';
import { LOGIN_POLICY } from './policy.js';

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em;color-scheme:light dark}';

/** Adds the page of File > Log Out: the browser forgets its login; the lab and its kernels keep running. */
export function registerLogout(router: Router, guard: Guard): void {
  router.on(
    'GET',
    '/logout',
    ({ request, principal, address }) => {
      if (principal) guard.checkForgery(request, principal, address);
      const says =
        principal === 'open'
          ? 'This lab was started without a token, so there is nothing to log out of. ' +
            `<a href="${router.link('/lab')}">Back to the lab</a>`
          : 'This browser is logged out. The lab and its kernels keep running; the link in the terminal opens it again.';
      const text = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Fovea: logged out</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}</style></head><body>
<h1>Fovea</h1><p>${says}</p></body></html>`;
      return html(text, LOGIN_POLICY, 200, { 'Set-Cookie': guard.expireCookies() });
    },
    'page',
  );
}
