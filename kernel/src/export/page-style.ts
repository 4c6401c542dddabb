import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** What is light or dark, on the screen of a reader who prefers one or the other. Paper is always light. */
const LIGHT = `
  --ink: #1f2328; --quiet: #59636e; --paper: #fff; --ground: #f6f8fa; --line: #d1d9e0; --rule: #818b98;
  --link: #0550ae; --stderr: #fff0ee; --red: #b3261e; --green: #116329; --yellow: #7d4e00; --blue: #0550ae;
  --magenta: #6639ba; --cyan: #1b6a75;
`;
const DARK = `
  --ink: #e6edf3; --quiet: #9da7b3; --paper: #0d1117; --ground: #161b22; --line: #3d444d; --rule: #767f89;
  --link: #79b8ff; --stderr: #3a1d1d; --red: #ff8b82; --green: #56d364; --yellow: #e3b341; --blue: #79c0ff;
  --magenta: #d2a8ff; --cyan: #56d4dd;
`;

/**
 * Content that brings colours of its own was made for a white page: on a dark one its black text would be lost, and
 * the page's light text would be lost on its light grounds. Parts without text, such as bars, may have any.
 */
const OWN_COLOUR =
  '[style*="color:"]:not(:empty), [style*="background:"]:not(:empty), [bgcolor], font[color]';
const WITH_OWN_COLOURS = `:is(.cell, .output) > :not(.output, .source, .prompt):is(:has(${OWN_COLOUR}), ${OWN_COLOUR})`;

/** Light whatever the page is. */
const ALWAYS_LIGHT = `{ color-scheme: light; ${LIGHT} color: var(--ink); background-color: var(--paper); }`;

const STYLE = `
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3, h4 { line-height: 1.25; margin: 1.4em 0 0.5em; }
a { color: var(--link); }
img, svg { max-width: 100%; height: auto; }
/* Drawings with a clear ground are mostly black on it. */
img, svg ${ALWAYS_LIGHT}
${WITH_OWN_COLOURS} ${ALWAYS_LIGHT}
pre, code { font: 13px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0.5em 0; }
.cell { display: grid; grid-template-columns: minmax(0, 1fr); margin: 1rem 0; }
.prompt { font: 12px/1.5 ui-monospace, Menlo, Consolas, monospace; color: var(--quiet); }
.source { background: var(--ground); border: 1px solid var(--line); border-radius: 4px; padding: 0.6em 0.8em; }
.stderr { background: var(--stderr); padding: 0.6em 0.8em; }
.output { margin-top: 0.5rem; overflow-x: auto; }
figure { margin: 0.5rem 0; }
table { justify-self: start; border-collapse: collapse; font-size: 13px; margin: 0.5rem 0; }
th, td { padding: 0.2em 0.7em; border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--rule); }
.data { max-height: 26rem; overflow: auto; margin-top: 0.75rem; }
blockquote { margin: 0.5em 0; padding-left: 1em; border-left: 3px solid var(--line); color: var(--quiet); }
.ansi-red-fg, .ansi-bright-red-fg { color: var(--red); } .ansi-green-fg, .ansi-bright-green-fg { color: var(--green); }
.ansi-yellow-fg, .ansi-bright-yellow-fg { color: var(--yellow); } .ansi-blue-fg, .ansi-bright-blue-fg { color: var(--blue); }
.ansi-magenta-fg, .ansi-bright-magenta-fg { color: var(--magenta); } .ansi-cyan-fg, .ansi-bright-cyan-fg { color: var(--cyan); }
.ansi-white-fg, .ansi-bright-black-fg { color: var(--quiet); }
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

/** Colours that stand out too little from the ground of source code, and those of the same family that do. */
const CLEARER: Readonly<Record<string, string>> = {
  '#d73a49': '#cf222e',
  '#e36209': '#953800',
  '#22863a': '#116329',
  '#6a737d': '#59636e',
  '#1f6feb': '#58a6ff',
  '#8b949e': '#9da7b3',
};

const highlighting = (name: string): string =>
  readFileSync(createRequire(import.meta.url).resolve(`highlight.js/styles/${name}.min.css`), 'utf8').replace(
    /#[0-9a-f]{6}/g,
    (colour) => CLEARER[colour] ?? colour,
  );

let style: string | undefined;

/** The style sheet of an exported page: light or dark as its reader prefers, and light on paper. */
export function pageStyle(): string {
  style ??= `${highlighting('github')}
:root { color-scheme: light; ${LIGHT} }
@media screen and (prefers-color-scheme: dark) {
:root { color-scheme: dark; ${DARK} }
${WITH_OWN_COLOURS} { padding: 0.3em 0.6em; border-radius: 4px; }
${highlighting('github-dark')}
}
${STYLE}`;
  return style;
}
