import { userInfo } from 'node:os';
import { json } from './http/reply.js';
import type { Router } from './http/router.js';

function accountName(): string {
  try {
    return userInfo().username || 'local';
  } catch {
    return 'local';
  }
}

/** Says who is logged in: whoever holds the token, which is the account that started the server. */
export function registerIdentity(router: Router): void {
  const name = accountName();
  const identity = {
    username: name,
    name,
    display_name: name,
    initials: name.slice(0, 1).toUpperCase(),
    avatar_url: null,
    color: null,
  };
  router.on('GET', '/api/me', () => json({ identity, permissions: {} }));
}
