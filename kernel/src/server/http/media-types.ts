import { extname } from 'node:path';
import { mimes } from 'mrmime';

/** What mrmime leaves out, since it is not registered, and extensions that mean something else to people here. */
const BESIDES: Readonly<Record<string, string>> = {
  bz2: 'application/x-bzip2',
  cjs: 'text/javascript',
  cts: 'text/x-typescript',
  ico: 'image/x-icon',
  ipynb: 'application/x-ipynb+json',
  mts: 'text/x-typescript',
  onnx: 'application/octet-stream',
  py: 'text/x-python',
  rs: 'text/x-rust',
  // Compressed, which browsers have to hear of in another header.
  svgz: 'application/gzip',
  tar: 'application/x-tar',
  tgz: 'application/gzip',
  ts: 'text/x-typescript',
  tsx: 'text/x-typescript',
  xz: 'application/x-xz',
};

/** A map, since an extension may be the name of a property that every object has. */
const TYPES: ReadonlyMap<string, string> = new Map(Object.entries({ ...mimes, ...BESIDES }));

/** The media type that a file's name suggests, or undefined for an extension that is not known. */
export function mediaType(name: string): string | undefined {
  return TYPES.get(extname(name).slice(1).toLowerCase());
}

/** Text in these is UTF-8, as their standards or all of their tools have it. */
const IS_TEXT = /^text\/|[/+]xml$/;

/** The `Content-Type` for a file of this name: text says that it is UTF-8, or browsers take it for Latin-1. */
export function contentType(name: string): string {
  const type = mediaType(name) ?? 'application/octet-stream';
  return IS_TEXT.test(type) ? `${type}; charset=utf-8` : type;
}
