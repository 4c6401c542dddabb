import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Notebook } from '../../../kernel/src/export/nbformat.js';
import { notebookHtml } from '../../../kernel/src/export/notebook.js';
import { renderNotebook } from '../../../kernel/src/export/render.js';

const markdown = (source: string) => ({ cell_type: 'markdown', source });
/** Each star is tried with each that follows. */
const SLOW = markdown('*a '.repeat(20_000));
const notebook = (...cells: Notebook['cells']): Notebook => ({ cells });

const pictures = {
  title: 'page',
  readAsset: async (path: string) =>
    path === 'dot.png' ? { mime: 'image/png', bytes: Uint8Array.of(1, 2, 3) } : undefined,
};

describe('a notebook that is written on a thread of its own', () => {
  it('is the same page, with its pictures', async () => {
    const cells = notebook(
      markdown('# Head $x^2$ ![a](dot.png) ![b](missing.png)'),
      { cell_type: 'code', source: 'const a = 1', outputs: [{ output_type: 'stream', text: 'one' }] },
      markdown('![again](dot.png)'),
    );
    const page = await renderNotebook(cells, pictures);
    expect(page).toBe(await notebookHtml(cells, pictures));
    expect(page.match(/data:image\/png;base64,AQID/g)).toHaveLength(2);
  });

  it('names the cell that takes too long, and lets everything else go on meanwhile', async () => {
    let turns = 0;
    const timer = setInterval(() => turns++, 10);
    const slow = renderNotebook(notebook(markdown('one'), SLOW), { ...pictures, cellLimitMs: 4000 });
    await expect(slow).rejects.toMatchObject({
      code: 'bad-file',
      message:
        'Cell 2 takes longer than 4 s to be written as a page: shorten it, or split it into several cells',
    });
    clearInterval(timer);
    // None where the same thread writes, and four hundred where nothing else keeps it.
    expect(turns).toBeGreaterThan(10);
  });

  it('ends when nobody waits for it', async () => {
    const stop = new AbortController();
    const slow = renderNotebook(notebook(SLOW), { ...pictures, signal: stop.signal });
    const ended = expect(slow).rejects.toMatchObject({ code: 'aborted' });
    await delay(500);
    stop.abort();
    await ended;
    await expect(renderNotebook(notebook(SLOW), { ...pictures, signal: stop.signal })).rejects.toMatchObject({
      code: 'aborted',
    });
  });

  it('fails as without the thread', async () => {
    const deep = markdown('> '.repeat(10_000));
    await expect(renderNotebook(notebook(deep), pictures)).rejects.toThrow(/call stack/);
  });
});
