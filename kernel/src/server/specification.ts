import { fileURLToPath } from 'node:url';
import type { Router } from './http/router.js';
import { staticFile } from './http/static.js';

const RESOURCES = fileURLToPath(new URL('../../resources', import.meta.url));

/** Serves the description of the REST API in OpenAPI's format. */
export function registerSpecification(router: Router): void {
  router.on('GET', '/api/spec.yaml', (call) =>
    staticFile(call.request, RESOURCES, 'server-api.yaml', { 'Content-Type': 'text/x-yaml; charset=utf-8' }),
  );
}
