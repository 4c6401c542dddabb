import { json } from '../http/reply.js';
import type { Router } from '../http/router.js';

/** Language packs are Python packages; here the lab speaks the English that it is written in. */
export function registerTranslations(router: Router): void {
  const english = { en: { displayName: 'English', nativeName: 'English' } };
  router.on('GET', '/lab/api/translations/*locale', (call) =>
    json(call.params.locale === '' ? { data: english, message: '' } : { data: {}, message: '' }),
  );
}
