import { expect, it } from 'vitest';
import { asTable } from '../../../../kernel/src/cli/options/parse.js';

it('a table aligns its columns, numbers to the right, also of more rows than a function takes arguments', () => {
  expect(
    asTable([
      ['name', 'ms'],
      ['a', '1.5'],
      ['long', '10'],
    ]),
  ).toBe('name   ms\na     1.5\nlong   10');
  const many = asTable([['n'], ...Array.from({ length: 200_000 }, (_, i) => [String(i)])]);
  expect(many.split('\n')[1]).toBe('     0');
});
