import { describe, expect, it } from 'vitest';
import { type Committer, type RanCell, take } from '../../../kernel/src/language/batch.js';
import type { Diagnostic } from '../../../kernel/src/language/diagnose.js';

const problem: Diagnostic = {
  severity: 'error',
  code: 2322,
  message: 'wrong',
  start: { line: 0, column: 0 },
  end: { line: 0, column: 1 },
};

/** Notes what it is asked for; cells that say `wrong` are so. */
function recorder() {
  const asked: string[] = [];
  const committer: Committer = {
    async diagnose(code) {
      asked.push(`check ${code}`);
      return code.includes('wrong') ? [problem] : [];
    },
    async commit(code, failure) {
      asked.push(`commit ${code}${failure ? ` from ${failure.line}` : ''}`);
    },
    async commitTogether(codes) {
      const clean = codes.every((code) => !code.includes('wrong'));
      asked.push(`${clean ? '' : 'not '}together ${codes.join(' ')}`);
      return clean;
    },
  };
  return { asked, committer };
}

const cells = (...codes: string[]): RanCell[] => codes.map((code) => ({ code, check: true }));

describe('cells that wait for the language service together', () => {
  it('are taken as one when nothing is wrong in them', async () => {
    const { asked, committer } = recorder();
    expect(await take(committer, cells('let a', 'let b', 'a + b'))).toEqual([[], [], []]);
    expect(asked).toEqual(['together let a let b a + b']);
  });

  it('are separated by halving when something is, each with its own errors', async () => {
    const { asked, committer } = recorder();
    const found = await take(committer, cells('let a', 'let b', 'wrong', 'let c'));
    expect(found).toEqual([[], [], [problem], []]);
    expect(asked).toEqual([
      'not together let a let b wrong let c',
      'together let a let b',
      'not together wrong let c',
      'check wrong',
      'commit wrong',
      'check let c',
      'commit let c',
    ]);
  });

  it('are separated where one declares a name again', async () => {
    const { asked, committer } = recorder();
    await take(committer, cells('let a', 'let b', 'let a', 'let c'));
    expect(asked).toEqual(['together let a let b', 'together let a let c']);
  });

  it('are checked apart where one failed, which stands alone', async () => {
    const { asked, committer } = recorder();
    const waiting = cells('let a', 'let b', 'fails', 'let c', 'let d');
    waiting[2] = { code: 'fails', check: false, failure: { line: 3 } };
    await take(committer, waiting);
    expect(asked).toEqual(['together let a let b', 'commit fails from 3', 'together let c let d']);
  });

  it('are not checked when nobody wants to know', async () => {
    const { asked, committer } = recorder();
    expect(await take(committer, [{ code: 'wrong', check: false }])).toEqual([[]]);
    expect(asked).toEqual(['commit wrong']);
    expect(await take(committer, [])).toEqual([]);
  });
});
