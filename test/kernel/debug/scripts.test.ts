import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Scripts } from '../../../kernel/src/debug/scripts.js';

describe('sources of dumped cells', () => {
  let folder: string;
  afterEach(() => rmSync(folder, { recursive: true }));

  it('are kept up to a number of characters, the ones asked for last', () => {
    const scripts = new Scripts();
    const cell = (name: string) => `${name} ${'x'.repeat(9e6)}`;
    const dump = (name: string) => {
      const path = scripts.dumpCell(cell(name));
      folder = dirname(path);
      return path;
    };
    const [first, second] = [dump('first'), dump('second')];
    dump('third');
    expect(scripts.source(first)).toBe(cell('first'));
    dump('fourth');
    expect(scripts.source(first)).toBe(cell('first'));
    expect(() => scripts.source(second)).toThrow('no script was loaded from');
  });
});
