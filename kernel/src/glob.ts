/**
 * Whether a text fits a pattern as a whole, in which `*` matches any text and `?` any character. Takes time by the lengths
 * of both: a regular expression of many `.*` would try all places of all of them.
 */
export function matchesGlob(text: string, pattern: string): boolean {
  let at = 0;
  let wanted = 0;
  let star = -1;
  let taken = 0;
  while (at < text.length) {
    if (pattern[wanted] === '*') {
      star = wanted++;
      taken = at;
    } else if (wanted < pattern.length && (pattern[wanted] === '?' || pattern[wanted] === text[at])) {
      wanted++;
      at++;
    } else if (star >= 0) {
      // The last star takes one character more; those before it need not.
      wanted = star + 1;
      at = ++taken;
    } else return false;
  }
  while (pattern[wanted] === '*') wanted++;
  return wanted === pattern.length;
}
