import { describe, expect, it } from 'vitest';
import { latencyBundle, masksBundle } from '../../../kernel/src/display/bundle.js';
import type { Cell } from '../../../kernel/src/export/nbformat.js';
import { notebookHtml } from '../../../kernel/src/export/notebook.js';
import { sampleLatency, sampleMasks } from '../../extension/support/samples.js';

const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const exported = (cells: readonly Cell[], files: Record<string, string> = {}) =>
  notebookHtml(
    { cells, metadata: { kernelspec: { language: 'typescript' } } },
    {
      title: 'demo',
      readAsset: async (path) =>
        path in files ? { mime: 'image/png', bytes: Buffer.from(files[path]!, 'base64') } : undefined,
    },
  );

const markdown = (source: string, more: Partial<Cell> = {}) =>
  exported([{ cell_type: 'markdown', source, ...more }], { 'pictures/dot 1.png': PIXEL });

const displayed = (data: Record<string, unknown>, metadata: Record<string, unknown> = {}) =>
  exported([{ cell_type: 'code', source: '', outputs: [{ output_type: 'display_data', data, metadata }] }]);

/** The page without the styles and the policy at its top. */
const body = (html: string) => html.slice(html.indexOf('<main>'));

describe('a notebook as a page', () => {
  it('shows code with its count, its words marked', async () => {
    const html = await exported([{ cell_type: 'code', source: 'const a = "<b>";', execution_count: 7 }]);
    expect(html).toContain('[7]');
    expect(html).toContain('<span class="hljs-keyword">const</span>');
    expect(html).toContain('&quot;&lt;b&gt;&quot;');
  });

  it('shows code in colours that stand out from their ground, light and dark', async () => {
    const html = await exported([{ cell_type: 'code', source: '1' }]);
    const luminance = (hex: string) => {
      const [r, g, b] = [1, 3, 5].map((at) => {
        const part = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
    };
    const contrast = (one: string, other: string) => {
      const [darker, lighter] = [luminance(one), luminance(other)].sort((x, y) => x - y);
      return (lighter! + 0.05) / (darker! + 0.05);
    };
    const schemes = html.split('@media screen and (prefers-color-scheme: dark)');
    expect(schemes).toHaveLength(2);
    for (const styles of schemes) {
      const ground = /--ground: (#[0-9a-f]{6})/.exec(styles)![1]!;
      const inks = [...styles.matchAll(/\.hljs-[^{}]*\{color:(#[0-9a-f]{6})/g)].map(([, ink]) => ink!);
      expect(new Set(inks).size).toBeGreaterThan(5);
      expect(inks.filter((ink) => contrast(ground, ink) < 4.5)).toEqual([]);
    }
  });

  it('makes outputs that may scroll sideways stops of the keyboard, and no others', async () => {
    const html = (data: string) => ({ output_type: 'display_data', data: { 'text/html': data } });
    const page = await exported([
      {
        cell_type: 'code',
        source: '1',
        execution_count: 7,
        outputs: [html('<table><tr><td>1</td></tr></table>'), html('<p>short</p>')],
      },
      {
        cell_type: 'code',
        source: '',
        outputs: [{ output_type: 'display_data', ...latencyBundle(sampleLatency()) }],
      },
    ]);
    const [table, text, figure] = body(page).match(/<div class="output"[^>]*>/g)!;
    expect(table).toBe('<div class="output" tabindex="0" role="group" aria-label="Output [7], scrolls">');
    expect([text, figure]).toEqual(['<div class="output">', '<div class="output">']);
  });

  it('leaves out what the notebook hides', async () => {
    const output = { output_type: 'stream', name: 'stdout', text: 'printed' };
    const cell = { cell_type: 'code', source: 'secret', outputs: [output] };
    const noSource = await exported([{ ...cell, metadata: { jupyter: { source_hidden: true } } }]);
    expect([noSource.includes('secret'), noSource.includes('printed')]).toEqual([false, true]);
    const noOutput = await exported([{ ...cell, metadata: { jupyter: { outputs_hidden: true } } }]);
    expect([noOutput.includes('secret'), noOutput.includes('printed')]).toEqual([true, false]);
  });

  it('shows text of a terminal in its colours, and escaped', async () => {
    const html = await exported([
      {
        cell_type: 'code',
        source: '',
        outputs: [
          { output_type: 'stream', name: 'stdout', text: ['one \u001b[31mred\u001b[0m\n', '<i>two</i>'] },
          { output_type: 'error', ename: 'E', evalue: 'v', traceback: ['\u001b[1mE\u001b[0m: v'] },
        ],
      },
    ]);
    expect(html).toContain('one <span class="ansi-red-fg">red</span>\n&lt;i&gt;two&lt;/i&gt;');
    expect(html).toMatch(/<pre class="stderr">.*E.*: v<\/pre>/);
  });

  it('writes formulas as MathML, whose letters need no fonts or scripts of ours', async () => {
    const html = body(
      await markdown('$x_i$ and $$\\frac{1}{2}$$ and\n\n\\begin{align} a &= b \\\\ c &= d \\end{align}'),
    );
    expect(html.match(/<math/g)).toHaveLength(3);
    expect(html).toMatch(/<mfrac><mn>1<\/mn><mn>2<\/mn><\/mfrac>/);
    expect(html).toContain('<mtable');
  });

  it('gives headings the anchors that links in notebooks use', async () => {
    const html = await markdown('# Where it goes\n\n[there](#Where-it-goes)');
    expect(html).toContain('<h1 id="Where-it-goes">');
    expect(html).toContain('<a href="#Where-it-goes">there</a>');
  });

  it('puts pictures in: attached ones, those beside the notebook, those in the text; others are named', async () => {
    const html = body(
      await markdown(
        `![a](attachment:x.png) ![b](pictures/dot%201.png) ![c](data:image/png;base64,${PIXEL}) ` +
          '![gone](missing.png) ![far](https://example.org/x.png) <img src="/etc/x.png" alt="root">',
        { attachments: { 'x.png': { 'image/png': PIXEL } } },
      ),
    );
    expect(html.match(/<img src="data:image\/png;base64,/g)).toHaveLength(3);
    for (const name of ['[gone]', '[far]', '[root]']) expect(html).toContain(name);
  });

  it('shows our masks as a picture and a table', async () => {
    const { data, metadata } = masksBundle(sampleMasks(2));
    const html = body(await displayed(data, metadata));
    expect(html).toMatch(/<figure><img src="data:image\/png;base64,[\w+/=]{1000,}"/);
    const [first] = sampleMasks(2).images[0]!.blocks;
    expect(html).toContain(`<td style="text-align:left">${first!.name}</td>`);
    expect(html).toContain('rate, ball-right.png');
    expect(html.match(/<tr>/g)).toHaveLength(17);
  });

  it('shows our latencies as a picture and one table a view', async () => {
    const document = sampleLatency();
    const { data, metadata } = latencyBundle(document as never);
    const html = body(await displayed(data, metadata));
    expect(html).toContain('<figure><img src="data:image/png');
    expect(html.match(/<table /g)).toHaveLength(document.views.length);
    expect(html).toContain('whole network');
  });

  it('shows a document of ours that is damaged as the picture beside it', async () => {
    const html = body(
      await displayed({ 'application/vnd.fovea.masks.v1+json': { images: 3 }, 'image/png': PIXEL }),
    );
    expect(html).toContain('<figure><img src="data:image/png');
    expect(html).not.toContain('<table');
  });

  it('lets nothing run, load or lead away, whatever the notebook holds', async () => {
    const hostile =
      '<script>alert(1)</script><img src=x onerror=alert(1)><a href="javascript:alert(1)">a</a>' +
      '<meta http-equiv="refresh" content="0;url=https://example.org"><iframe src="https://example.org"></iframe>' +
      '<form action="https://example.org"><input name="q"><button>go</button></form><base href="https://example.org">' +
      '<style>body{display:none}</style><link rel="stylesheet" href="https://example.org/x.css">' +
      '<svg onload="alert(1)"><script>alert(1)</script><foreignObject><body onload=alert(1)></foreignObject></svg>' +
      '<math><mi xlink:href="javascript:alert(1)">x</mi></math><object data="x"></object>';
    const pages = [
      await markdown(hostile),
      await displayed({ 'text/html': hostile }),
      await displayed({ 'text/markdown': hostile }),
      await displayed({ 'image/png': `${PIXEL}" onerror="alert(1)` }),
      await exported([{ cell_type: 'raw', source: hostile }]),
      await exported([{ cell_type: 'code', source: hostile }]),
    ];
    for (const page of pages) {
      const tags = body(page)
        .match(/<[a-z][^>]*>/gi)!
        .join('\n');
      expect(tags).not.toMatch(
        /<(script|iframe|form|meta|base|style|link|object|button|foreignobject)|\son\w+=|javascript:/i,
      );
      expect(page).toContain(`content="default-src 'none';`);
    }
  });

  it('stands fields that are missing or of a wrong type', async () => {
    const html = await exported([
      { cell_type: 'code' },
      { cell_type: 'code', source: 5, outputs: [{ output_type: 'display_data' }] },
      { cell_type: 'markdown', source: ['# Li', 'nes'] },
      { cell_type: 'unheard-of', source: 'text' },
    ]);
    expect(html).toContain('Lines</h1>');
    expect(html).toContain('<pre>text</pre>');
    for (const odd of [null, 5, 'text', [], [null], { a: null }]) {
      const output = { output_type: 'display_data', data: odd, metadata: odd };
      const cells = [odd, { cell_type: 'code', outputs: odd }, { cell_type: 'code', outputs: [odd, output] }];
      const notebook = { metadata: odd, cells: [...cells, { cell_type: 'raw', source: 'text' }] };
      const page = await notebookHtml(notebook as never, { title: 'demo', readAsset: async () => undefined });
      expect(page).toContain('<pre>text</pre>');
    }
  });
});
