import katex from 'katex';
import { Marked, type TokenizerAndRendererExtension } from 'marked';
import markedKatex from 'marked-katex-extension';
import { escapeMarkup } from '../display/draw/svg.js';
import { codeHtml } from './code.js';
import type { Cell } from './nbformat.js';
import { imageSources, sanitizeHtml } from './sanitize.js';

/** Reads a picture by its path relative to the notebook; undefined if there is none, or it must not be read. */
export type ReadAsset = (path: string) => Promise<{ mime: string; bytes: Uint8Array } | undefined>;

const KATEX = { throwOnError: false, output: 'mathml' } as const;

/** LaTeX environments written without dollar signs, such as `align`. */
const environment: TokenizerAndRendererExtension = {
  name: 'mathEnvironment',
  level: 'inline',
  start: (source) => source.indexOf('\\begin{'),
  tokenizer(source) {
    const found = /^\\begin\{([a-z]+\*?)\}[\s\S]*?\\end\{\1\}/.exec(source);
    return found ? { type: 'mathEnvironment', raw: found[0], text: found[0] } : undefined;
  },
  renderer: ({ text }) => katex.renderToString(String(text), { ...KATEX, displayMode: true }),
};

/** The heading's own text as an anchor, as JupyterLab and GitHub's links to `#Some-heading` expect. */
const anchor = (text: string) => text.trim().replace(/\s+/g, '-');

const marked = new Marked(
  { gfm: true },
  markedKatex({ ...KATEX, nonStandard: true }),
  { extensions: [environment] },
  {
    renderer: {
      heading({ tokens, depth, text }) {
        return `<h${depth} id="${escapeMarkup(anchor(text))}">${this.parser.parseInline(tokens)}</h${depth}>\n`;
      },
      code({ text, lang = '' }) {
        return `<pre><code>${codeHtml(text, lang.split(/\s/)[0]!)}</code></pre>\n`;
      },
    },
  },
);

const dataUrl = (mime: string, base64: string) => `data:${mime};base64,${base64}`;

/** An attachment of a Markdown cell, as a data URL. */
function attached(attachments: Cell['attachments'], name: string): string | undefined {
  for (const [mime, base64] of Object.entries(attachments?.[name] ?? {})) {
    if (/^image\/[\w.+-]+$/.test(mime) && typeof base64 === 'string') return dataUrl(mime, base64);
  }
  return undefined;
}

/** Self-contained HTML: pictures in files beside the notebook are embedded, others are named. */
export async function standAlone(
  html: string,
  readAsset: ReadAsset,
  attachments?: Cell['attachments'],
): Promise<string> {
  const shown = new Map<string, string | undefined>();
  for (const source of imageSources(html)) {
    if (shown.has(source)) continue;
    shown.set(source, await pictureUrl(source, readAsset, attachments));
  }
  return sanitizeHtml(html, (source) => shown.get(source));
}

async function pictureUrl(
  source: string,
  readAsset: ReadAsset,
  attachments: Cell['attachments'],
): Promise<string | undefined> {
  if (/^data:image\//i.test(source)) return source;
  const path = decoded(source);
  if (path === undefined) return undefined;
  if (path.startsWith('attachment:')) return attached(attachments, path.slice('attachment:'.length));
  if (path === '' || /^[a-z][a-z\d+.-]*:|^[/\\]/i.test(path)) return undefined;
  const asset = await readAsset(path.replace(/[?#].*$/, ''));
  return asset && dataUrl(asset.mime, Buffer.from(asset.bytes).toString('base64'));
}

function decoded(source: string): string | undefined {
  try {
    return decodeURIComponent(source);
  } catch {
    return undefined;
  }
}

/** Markdown with formulas as self-contained HTML. */
export async function markdownHtml(
  source: string,
  readAsset: ReadAsset,
  attachments?: Cell['attachments'],
): Promise<string> {
  return standAlone(await marked.parse(source), readAsset, attachments);
}
