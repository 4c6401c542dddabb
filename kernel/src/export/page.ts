import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { escapeMarkup } from '../display/draw/svg.js';

/** Content security policy of an exported page: it shows what is in it, and loads, runs and sends nothing. */
export const PAGE_POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; media-src data:; " +
  "form-action 'none'; base-uri 'none'";

/** Marks a file as an export, which the next export may replace. */
export const GENERATOR = '<meta name="generator" content="Fovea">';

const STYLE = `
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #1f2328; background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3, h4 { line-height: 1.25; margin: 1.4em 0 0.5em; }
a { color: #0550ae; }
img, svg { max-width: 100%; height: auto; }
pre, code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.5em 0; }
.cell { display: grid; grid-template-columns: minmax(0, 1fr); margin: 1rem 0; }
.prompt { font: 12px/1.5 ui-monospace, Menlo, Consolas, monospace; color: #59636e; }
.source { background: #f6f8fa; border: 1px solid #d1d9e0; border-radius: 4px; padding: 0.6em 0.8em; }
.stderr { background: #fff0ee; padding: 0.6em 0.8em; }
.output { margin-top: 0.5rem; overflow-x: auto; }
figure { margin: 0.5rem 0; }
table { justify-self: start; border-collapse: collapse; font-size: 13px; margin: 0.5rem 0; }
th, td { padding: 0.2em 0.7em; border-bottom: 1px solid #d1d9e0; }
thead th { border-bottom: 2px solid #818b98; }
.data { max-height: 26rem; overflow: auto; margin-top: 0.75rem; }
blockquote { margin: 0.5em 0; padding-left: 1em; border-left: 3px solid #d1d9e0; color: #59636e; }
.ansi-red-fg, .ansi-bright-red-fg { color: #b3261e; } .ansi-green-fg, .ansi-bright-green-fg { color: #116329; }
.ansi-yellow-fg, .ansi-bright-yellow-fg { color: #7d4e00; } .ansi-blue-fg, .ansi-bright-blue-fg { color: #0550ae; }
.ansi-magenta-fg, .ansi-bright-magenta-fg { color: #6639ba; } .ansi-cyan-fg, .ansi-bright-cyan-fg { color: #1b6a75; }
.ansi-white-fg, .ansi-bright-black-fg { color: #59636e; }
@media print {
  body { max-width: none; margin: 0; padding: 0; font-size: 11pt; }
  .data { max-height: none; overflow: visible; }
  .output { overflow: visible; }
  h1, h2, h3, .prompt, div:has(+ table) { break-after: avoid; }
  /* Browsers break neither grids nor pictures that are taller than a page: what follows would cover them. */
  .cell { display: block; }
  img, svg { max-height: 95vh; width: auto; }
  img, svg, tr { break-inside: avoid; }
  .source, .stderr { break-inside: auto; }
  /* Paper does not scroll: the more columns a table has, the smaller it is, and its words are broken; figures are not. */
  table { font-size: 8.5pt; }
  table:has(tr > :nth-child(9)) { font-size: 7pt; }
  table:has(tr > :nth-child(13)) { font-size: 6pt; }
  th, td { padding: 0.2em 0.35em; overflow-wrap: anywhere; white-space: normal !important; }
  td[style*="nowrap"] { overflow-wrap: normal; }
}
`;

let highlighting: string | undefined;

/** Colours that are too light for the ground of source code, and those of the same family that GitHub has now. */
const DARKER: Readonly<Record<string, string>> = {
  '#d73a49': '#cf222e',
  '#e36209': '#953800',
  '#22863a': '#116329',
  '#6a737d': '#59636e',
};

/** The colours of source code. */
function highlightStyle(): string {
  highlighting ??= readFileSync(
    createRequire(import.meta.url).resolve('highlight.js/styles/github.min.css'),
    'utf8',
  ).replace(/#[0-9a-f]{6}/g, (color) => DARKER[color] ?? color);
  return highlighting;
}

/** A whole page around self-contained HTML. */
export function pageHtml(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${PAGE_POLICY}">
${GENERATOR}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(title)}</title>
<style>${highlightStyle()}${STYLE}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}
