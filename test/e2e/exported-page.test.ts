import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { latencyBundle, masksBundle } from '../../kernel/src/display/bundle.js';
import { notebookHtml } from '../../kernel/src/export/notebook.js';
import { contrasts } from '../extension/support/page.js';
import { sampleLatency, sampleMasks } from '../extension/support/samples.js';
import { hasChromium, openPage, type WatchedPage } from './support/chromium.js';

const clearDrawing =
  '<svg xmlns="http://www.w3.org/2000/svg" width="80" height="40"><path d="M0 20H80"/></svg>';

const MARKDOWN = `# Heading

A [link](https://example.org), \`code\`, $\\frac{1}{2}$.

> quoted

\`\`\`ts
const text = 'words'; // comment
\`\`\`

<span id="own" style="color:darkblue">of its own colour</span>`;

const SOURCE =
  '// comment\nimport { a } from "b";\nclass C<T> { m(): number { return `t${1}` + /x/ + null; } }';

const html = (text: string) => ({
  output_type: 'display_data',
  data: { 'text/html': text },
});

const OUTPUTS = [
  {
    output_type: 'stream',
    name: 'stdout',
    text: [31, 32, 33, 34, 35, 36, 37, 90].map((code) => `\u001b[${code}mcolour ${code}\u001b[0m`).join(' '),
  },
  { output_type: 'stream', name: 'stdout', text: '\u001b[38;5;18mdark blue\u001b[0m' },
  { output_type: 'stream', name: 'stderr', text: 'warned' },
  { output_type: 'error', traceback: ['\u001b[31mFoveaError\u001b[0m: wrong'] },
  html('<table><thead><tr><th>head</th></tr></thead><tr><td id="plain">cell</td></tr></table>'),
  html(
    '<table><tr><td style="background-color: #ffffcc">ground</td><td id="beside">beside</td></tr></table>',
  ),
  html('<p><font color="#003366">font</font></p>'),
  html(
    '<div><span style="display:inline-block;width:40px;height:10px;background-color:#3a6fb5"></span> <b id="bar">bar</b></div>',
  ),
  { output_type: 'display_data', data: { 'image/svg+xml': clearDrawing } },
  { output_type: 'display_data', ...masksBundle(sampleMasks(1)) },
  { output_type: 'display_data', ...latencyBundle(sampleLatency()) },
];

/** What `fovea export` and File > Save and Export As write, on screens of readers who prefer either theme. */
describe.skipIf(!hasChromium)('an exported page on screen (needs Chromium)', () => {
  let browser: WatchedPage;

  beforeAll(async () => {
    const page = await notebookHtml(
      {
        cells: [
          { cell_type: 'markdown', source: MARKDOWN },
          { cell_type: 'code', source: SOURCE, execution_count: 1, outputs: OUTPUTS },
        ],
        metadata: { kernelspec: { language: 'typescript' } },
      },
      { title: 'exported', readAsset: async () => undefined },
    );
    browser = await openPage();
    await browser.page.setContent(page);
  });
  afterAll(() => browser?.close());

  const grounds = (selector: string) =>
    browser.page.locator(selector).evaluateAll((nodes) =>
      nodes.map((node) => {
        let at: Element | null = node;
        while (at && getComputedStyle(at).backgroundColor === 'rgba(0, 0, 0, 0)') at = at.parentElement;
        const parts = at ? getComputedStyle(at).backgroundColor.match(/\d+/g)!.map(Number) : [255];
        return Math.max(...parts.slice(0, 3)) < 60 ? 'dark' : 'light';
      }),
    );

  for (const scheme of ['light', 'dark'] as const) {
    it(`is ${scheme} where its reader prefers that`, async () => {
      await browser.page.emulateMedia({ media: 'screen', colorScheme: scheme });
      expect(await grounds('body, h1, .source, .stderr, #plain, #bar, pre:has(> code)')).toEqual(
        Array(8).fill(scheme),
      );
    });

    it(`can be read in ${scheme}`, async () => {
      await browser.page.emulateMedia({ media: 'screen', colorScheme: scheme });
      expect(await browser.page.locator('.source span').count()).toBeGreaterThan(5);
      expect(await contrasts(browser.page, 4.5, 'main')).toEqual([]);
    });
  }

  it('keeps drawings, and what has colours of its own, on the light ground they were made for', async () => {
    await browser.page.emulateMedia({ media: 'screen', colorScheme: 'dark' });
    const found = await grounds('img, #own, #beside, font');
    expect(found).toEqual(Array(6).fill('light'));
  });
});
