import { json } from './http/reply.js';
import type { Router } from './http/router.js';

/**
 * Services that a Jupyter server may have and this one has not, answered so that front ends offer nothing that
 * would fail: no terminals.
 */
export function registerAbsent(router: Router): void {
  router.on('GET', '/api/terminals', () => json([]));
}
