import { readBody } from '../http/body.js';
import { html, type Reply, redirect } from '../http/reply.js';
import type { Router } from '../http/router.js';
import type { Guard } from './guard.js';
import { LOGIN_POLICY } from './policy.js';

const LOGIN_BODY_BYTES = 4096;

const STYLE =
  'body{font:16px/1.5 system-ui,sans-serif;max-width:34em;margin:15vh auto;padding:0 1em;color-scheme:light dark}' +
  'input{font:inherit;width:100%;box-sizing:border-box;padding:.4em;margin:.4em 0}button{font:inherit;padding:.4em 1em}';

/**
 * What a browser sees that has not logged in: a form for the token.
 * @param next where it goes afterwards: path and query below the base path
 */
export function loginPage(router: Router, next: string, failed = false): Reply {
  const escaped = next.replace(/[&<>"']/g, (found) => `&#${found.charCodeAt(0)};`);
  const text = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Fovea: log in</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>${STYLE}</style></head><body>
<h1>Fovea</h1><p>${failed ? 'That is not the token.' : 'This lab is private.'} Open the link that was printed
in the terminal, or paste the token from it.</p><form method="post" action="${router.link('/login')}">
<label>Token <input name="token" type="password" autocomplete="off" autofocus required></label>
<input name="next" type="hidden" value="${escaped}"><button>Log in</button></form></body></html>`;
  return html(text, LOGIN_POLICY, 401);
}

/** Only a path on this server is gone on to. Browsers leave out tabs, and what has a second slash behind one is a host. */
const localPath = (next: string | null): string =>
  next && /^\/(?![/\\])\P{Cc}*$/u.test(next) ? next : '/lab';

/** Adds the routes that log a browser in. */
export function registerLogin(router: Router, guard: Guard): void {
  router.on('GET', '/login', () => redirect(router.link('/lab')), 'page');
  router.on(
    'POST',
    '/login',
    async (call) => {
      const form = new URLSearchParams((await readBody(call.request, LOGIN_BODY_BYTES)).toString('utf8'));
      const next = localPath(form.get('next'));
      if (!guard.isToken(form.get('token') ?? '')) return loginPage(router, next, true);
      return redirect(router.link(next), { 'Set-Cookie': guard.issueCookies(call.address) });
    },
    'everybody',
  );
}
