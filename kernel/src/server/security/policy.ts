/**
 * The policy of the lab's page. Scripts come from the build outputs alone: not inline, not from the user's
 * files, so that HTML in an output can run none. `unsafe-eval` is needed by JupyterLab's settings registry,
 * which compiles schemas; styles are set inline all over JupyterLab.
 * @param origin scheme, host and port under which the browser sees this server
 */
export function pagePolicy(origin: string): string {
  return [
    "default-src 'self'",
    `script-src ${origin}/static/ ${origin}/lab/extensions/ 'unsafe-eval'`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "font-src 'self' data:",
    `connect-src 'self' ${origin.replace(/^http/, 'ws')}`,
    "worker-src 'self' blob:",
    "frame-src 'self' blob: data:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'self'",
  ].join('; ');
}

/** The policy of the login page, which needs a form and nothing else. */
export const LOGIN_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/** The policy of the user's own files: scripts run, but as a stranger without access to this server's pages. */
export const FILES_POLICY = 'sandbox allow-scripts';
