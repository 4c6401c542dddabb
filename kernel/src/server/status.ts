import { json } from './http/reply.js';
import type { Router } from './http/router.js';
import type { KernelManager } from './kernels/manager.js';

/** The version of the Jupyter Server API that is followed. */
export const API_VERSION = '2.20.0';

/** What runs on this server, the version of its API, and the way to stop it. */
export function registerStatus(router: Router, kernels: KernelManager, shutDown: () => void): void {
  const started = new Date();
  router.on('GET', '/api', () => json({ version: API_VERSION }), 'everybody');
  router.on('GET', '/api/status', () => {
    const all = kernels.list();
    const latest = Math.max(started.getTime(), ...all.map(({ lastActivity }) => lastActivity.getTime()));
    return json({
      started: started.toISOString(),
      last_activity: new Date(latest).toISOString(),
      kernels: all.length,
      connections: all.reduce((sum, { clients }) => sum + clients.size, 0),
    });
  });
  router.on('POST', '/api/shutdown', () => {
    setImmediate(shutDown);
    return json({ message: 'The server is shutting down' });
  });
}
