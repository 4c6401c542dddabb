import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';

/** A fresh random secret of 24 bytes, in hexadecimal. */
export function randomSecret(): string {
  return randomBytes(24).toString('hex');
}

/** Compares secrets in a time that reveals nothing about them, including their length. */
export function sameSecret(left: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(left), digest(right));
}

/** The token that a request carries in its `Authorization` header or `token` query parameter. */
export function tokenOf(request: IncomingMessage, query: URLSearchParams): string | undefined {
  const header = /^(?:token|bearer)\s+(\S+)$/i.exec(request.headers.authorization ?? '');
  return header?.[1] ?? query.get('token') ?? undefined;
}
