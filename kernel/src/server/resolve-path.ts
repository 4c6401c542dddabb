import type { ContentsRoot } from './contents/paths.js';
import { HttpError } from './http/errors.js';
import { json } from './http/reply.js';
import type { Router } from './http/router.js';
import type { KernelManager } from './kernels/manager.js';

/** Turns paths as a traceback prints them into paths of the contents API, so that a click on one opens the file. */
export function registerPathResolver(router: Router, root: ContentsRoot, kernels: KernelManager): void {
  router.on('GET', '/api/resolvePath', async (call) => {
    const path = call.query.get('path');
    if (path === null) throw new HttpError(400, 'path is missing');
    const found = await root.apiPathOf(path).catch(() => undefined);
    const resolved = found === undefined ? [] : [{ scope: 'server', path: found }];
    const kernel = call.query.get('kernel');
    const known = !kernel || kernels.list().some(({ id }) => id === kernel);
    const unresolved = [{ scope: 'kernel', reason: `Kernel ${kernel} could not be found` }];
    return json({ resolved, ...(known ? {} : { unresolved }) });
  });
}
