const signatures: readonly (readonly [type: string, at: number, bytes: string])[] = [
  ['image/png', 0, '\x89PNG\r\n\x1a\n'],
  ['image/jpeg', 0, '\xff\xd8\xff'],
  ['image/gif', 0, 'GIF8'],
  ['image/webp', 8, 'WEBP'],
];

/** MIME type of an image file by its first bytes; `undefined` when it is none that a browser shows. */
export function imageType(bytes: Uint8Array): string | undefined {
  return signatures.find(
    ([, at, text]) =>
      bytes.length >= at + text.length && [...text].every((c, i) => bytes[at + i] === c.charCodeAt(0)),
  )?.[0];
}
