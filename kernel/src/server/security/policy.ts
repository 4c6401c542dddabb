/**
 * The policy of the lab's page. Scripts and workers come from the build outputs alone: not inline, not from the user's
 * files, so that HTML in an output can run none. `unsafe-eval` is needed by JupyterLab's settings registry,
 * which compiles schemas; styles are set inline all over JupyterLab.
 * @param host host and port under which the browser sees this server. No scheme: the page's own is meant then, and
 *   a proxy may speak another one with the browser than with us
 * @param base path below which everything is served, without a trailing slash
 */
export function pagePolicy(host: string, base: string): string {
  const builds = `${host}${base}/static/ ${host}${base}/lab/extensions/`;
  return [
    "default-src 'self'",
    `script-src ${builds} 'unsafe-eval'`,
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "font-src 'self' data:",
    `connect-src 'self' ws://${host} wss://${host}`,
    `worker-src ${builds} blob:`,
    "frame-src 'self' blob: data:",
    "object-src 'none'",
    "base-uri 'self'",
    "form-action 'self'",
    "frame-ancestors 'self'",
  ].join('; ');
}

/** The policy of the login page, which needs only a form. */
export const LOGIN_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/** The policy of the user's own files: scripts run, but as a stranger without access to this server's pages. */
export const FILES_POLICY = 'sandbox allow-scripts';
