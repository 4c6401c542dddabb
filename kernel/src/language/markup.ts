import { strip } from '../typescript/strip.js';

/** A closing tag, or the end of an empty one. */
const tag = /<\/[\w.]*>|\/>/;

/** Which kind of TypeScript a cell is: with JSX in it, or such that `<T>` may be a type assertion. */
export function kindOf(code: string): 'ts' | 'tsx' {
  if (!tag.test(code)) return 'ts';
  try {
    strip(code);
    return 'ts';
  } catch {
    return 'tsx';
  }
}
