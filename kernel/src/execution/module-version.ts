import { runStart } from '../language/text.js';

/** What stands between the address of one of the user's files and its version. */
const mark = '?v=';

/** An address that changes with the file, so that it loads again. */
export function versioned(url: string, version: string): string {
  return `${url}${mark}${version}`;
}

/** Where a line of a stack ends: in what place of a file, perhaps in brackets. */
const placeAtEnd = /:\d+:\d+\)?$/;
/** A version that nothing but the rest of an address follows. */
const versionIn = /\?v=[0-9a-z]+(?=&|$)/;

/**
 * A line of a stack without the versions of the files in it. The parts are looked for one after the other: an expression
 * for all of them takes the square of a long line's length.
 */
export function withoutVersion(line: string): string {
  const place = placeAtEnd.exec(line);
  if (!place) return line;
  const begin = runStart(line, place.index, /[^\s()]/);
  const address = line.slice(begin, place.index);
  const found = versionIn.exec(address);
  if (!found) return line;
  const rest = address.slice(found.index + found[0].length + 1);
  return line.slice(0, begin) + address.slice(0, found.index) + (rest ? `?${rest}` : '') + place[0];
}

/** Whether a stack names files by their versions. */
export function namesVersions(stack: string): boolean {
  return stack.includes(mark);
}
