import { json } from '../http/reply.js';
import type { Router } from '../http/router.js';

/** Language packs are Python packages, so here the lab is in English only. */
export function registerTranslations(router: Router): void {
  const english = { en: { displayName: 'English', nativeName: 'English' } };
  router.on('GET', '/lab/api/translations/*locale', (call) =>
    json(call.params.locale === '' ? { data: english, message: '' } : { data: {}, message: '' }),
  );
}
