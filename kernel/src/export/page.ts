import { escapeMarkup } from '../display/draw/svg.js';
import { pageStyle } from './page-style.js';

/** Content security policy of an exported page: it shows what is in it, and loads, runs and sends nothing. */
export const PAGE_POLICY =
  "default-src 'none'; img-src data:; style-src 'unsafe-inline'; font-src data:; media-src data:; " +
  "form-action 'none'; base-uri 'none'";

/** Marks a file as an export, which the next export may replace. */
export const GENERATOR = '<meta name="generator" content="Fovea">';

/** A whole page around self-contained HTML, light or dark as its reader prefers. */
export function pageHtml(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${PAGE_POLICY}">
${GENERATOR}
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(title)}</title>
<style>${pageStyle()}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}
