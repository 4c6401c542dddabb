/** Between the parts that names are put together from. */
const SEPARATOR = /[./\s_:-]/;
const DIGIT = /\d/;

/** Fewer letters in common than these are left where they are. */
const LEAST = 4;

/**
 * Names without the parts that all of them begin and end with, an ellipsis in their place: what is left tells them apart
 * where there is no room for the whole. `net.layer1.0.conv` and `net.layer2.0.conv` become `…layer1.0…` and `…layer2.0…`;
 * a number keeps the word before it. Names that are all the same are left as they are.
 */
export function distinctNames(names: readonly string[]): string[] {
  const different = [...new Set(names)];
  if (different.length < 2) return [...names];
  const begin = commonStart(different);
  const end = commonEnd(different.map((name) => name.slice(begin)));
  return names.map((name) => {
    const middle = name.slice(begin, name.length - end);
    return `${begin > 0 ? '…' : ''}${middle}${end > 0 ? '…' : ''}`;
  });
}

function commonStart(texts: readonly string[]): number {
  const first = texts[0]!;
  let length = 0;
  for (let i = 0; i < first.length && texts.every((text) => text[i] === first[i]); i++) {
    if (SEPARATOR.test(first[i]!) && !texts.some((text) => DIGIT.test(text[i + 1] ?? ''))) length = i + 1;
  }
  return length < LEAST ? 0 : length;
}

function commonEnd(texts: readonly string[]): number {
  const first = texts[0]!;
  let length = 0;
  for (let i = 1; i <= first.length && texts.every((text) => text.at(-i) === first.at(-i)); i++) {
    if (i > 1 && SEPARATOR.test(first.at(-i)!) && !DIGIT.test(first.at(1 - i)!)) length = i;
  }
  return length < LEAST ? 0 : length;
}
