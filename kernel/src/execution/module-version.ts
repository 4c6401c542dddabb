/** What stands between the address of one of the user's files and its version. */
const mark = '?v=';

/** An address that changes with the file, so that it loads again. */
export function versioned(url: string, version: string): string {
  return `${url}${mark}${version}`;
}

/** A line of a stack without the versions of the files in it. */
export function withoutVersion(line: string): string {
  return line.replace(/\?v=[0-9a-z]+(?:&([^\s()]*))?(?=:\d+:\d+\)?$)/, (_, rest) => (rest ? `?${rest}` : ''));
}

/** Whether a stack names files by their versions. */
export function namesVersions(stack: string): boolean {
  return stack.includes(mark);
}
