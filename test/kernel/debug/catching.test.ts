import { describe, expect, it } from 'vitest';
import { isCaughtAt } from '../../../kernel/src/debug/catching.js';

/** Whether a throw is caught at the mark `▸` of a source. */
function caught(marked: string): boolean {
  const at = marked.indexOf('▸');
  const lines = marked.slice(0, at).split('\n');
  return isCaughtAt(marked.replace('▸', ''), { line: lines.length - 1, column: lines.at(-1)!.length });
}

describe('a throw', () => {
  it.each([
    ['in a try', 'try {\n  ▸f();\n} catch {}', true],
    [
      'in a try, at any depth',
      'try { if (a) for (const b of a) { ▸f(b); } } catch (error) { g(error); }',
      true,
    ],
    ['in a try around another one', 'try { try { ▸f(); } finally { g(); } } catch {}', true],
    ['beside a try', '▸f(); try { g(); } catch {}', false],
    ['where nothing catches, only tidies up', 'try { ▸f(); } finally { g(); }', false],
    ['in what catches', 'try { g(); } catch { ▸f(); }', false],
    ['in what tidies up', 'try { g(); } catch {} finally { ▸f(); }', false],
    ['in a cell that awaits', 'try { await ▸f(); } catch {}', true],
    ['in a module', "import a from 'a';\ntry { ▸a(); } catch {}", true],
  ])('%s', (_, source, expected) => {
    expect(caught(source)).toBe(expected);
  });

  it.each([
    ['a function', 'try { call(function () { ▸f(); }); } catch {}'],
    ['an arrow function', 'try { setTimeout(() => ▸f()); } catch {}'],
    ['a method', 'try { use({ method() { ▸f(); } }); } catch {}'],
  ])('in %s that is made in a try is not caught by that: it may be called from elsewhere', (_, source) => {
    expect(caught(source)).toBe(false);
  });

  it('in a function with a try of its own is caught', () => {
    expect(caught('const f = () => { try { ▸g(); } catch {} };')).toBe(true);
  });

  it('of source that cannot be read counts as not caught', () => {
    expect(caught('try { ▸f( } catch {}')).toBe(false);
  });
});
