import { userInfo } from 'node:os';
import { isJsonObject } from '../json-object.js';
import { readJson } from './http/body.js';
import { HttpError } from './http/errors.js';
import { json } from './http/reply.js';
import type { Router } from './http/router.js';

function accountName(): string {
  try {
    return userInfo().username || 'local';
  } catch {
    return 'local';
  }
}

/** What a person may change about themselves: the colour of their cursor and avatar. */
const UPDATABLE = ['color'] as const;

const isActions = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((action) => typeof action === 'string');

/** Reads `{"resource": ["action", …]}`: a front end's question about its permissions. */
function readPermissions(text: string): Record<string, string[]> {
  const refused = new HttpError(400, 'permissions must be a JSON object {"resource": ["action"]}');
  let value: unknown;
  try {
    value = JSON.parse(text || '{}');
  } catch {
    throw refused;
  }
  if (!isJsonObject(value)) throw refused;
  if (!Object.values(value).every(isActions)) throw refused;
  return value as Record<string, string[]>;
}

/** Says who is logged in: the holder of the token, which is the account that started the server and may do everything. */
export function registerIdentity(router: Router): void {
  const name = accountName();
  const identity: Record<string, string | null> = {
    username: name,
    name,
    display_name: name,
    initials: name.slice(0, 1).toUpperCase(),
    avatar_url: null,
    color: null,
  };
  router.on('GET', '/api/me', (call) => {
    const permissions = readPermissions(call.query.get('permissions') ?? '');
    return json({ identity, permissions: { ...permissions, updatable_fields: UPDATABLE } });
  });
  router.on('PATCH', '/api/me', async (call) => {
    const changes = Object.entries(await readJson(call.request));
    if (changes.length === 0) throw new HttpError(400, `Nothing to change: ${UPDATABLE.join()} may be`);
    for (const [field, value] of changes) {
      if (!UPDATABLE.some((known) => known === field)) {
        throw new HttpError(400, `${field} cannot be changed, ${UPDATABLE.join()} can`);
      }
      if (typeof value !== 'string') throw new HttpError(400, `${field} must be a string`);
    }
    Object.assign(identity, Object.fromEntries(changes));
    return json({ status: 'success', identity });
  });
}
