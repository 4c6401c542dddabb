import { escapeMarkup } from '../display/draw/svg.js';
import { isJsonObject } from '../json-object.js';
import { codeHtml } from './code.js';
import { markdownHtml, type ReadAsset } from './markdown.js';
import { type Cell, type Notebook, type Output, textOf } from './nbformat.js';
import { outputHtml } from './outputs.js';
import { pageHtml } from './page.js';

export interface ExportOptions {
  /** The page's title if the notebook's metadata have none. */
  readonly title: string;
  /** Reads pictures that the notebook shows from files beside it. */
  readonly readAsset: ReadAsset;
  /** Called before each cell with its place among all cells. */
  readonly onCell?: (index: number) => void;
}

/**
 * A notebook as one self-contained HTML page, without scripts, style sheets or links to load from. Figures are
 * pictures with their data as tables; formulas are MathML. From HTML of the notebook everything that could run is removed.
 *
 * @param notebook a notebook of format 4; fields that are missing or of a wrong type are left out
 */
export async function notebookHtml(notebook: Notebook, options: ExportOptions): Promise<string> {
  const metadata = isJsonObject(notebook.metadata) ? notebook.metadata : {};
  const language = textOf(metadata.language_info?.name) || textOf(metadata.kernelspec?.language);
  const cells: string[] = [];
  for (const [index, cell] of notebook.cells.entries()) {
    options.onCell?.(index);
    if (isJsonObject(cell)) cells.push(await cellHtml(cell, language, options.readAsset));
  }
  return pageHtml(textOf(metadata.title) || options.title, cells.filter(Boolean).join('\n'));
}

async function cellHtml(cell: Cell, language: string, readAsset: ReadAsset): Promise<string> {
  const source = textOf(cell.source);
  switch (cell.cell_type) {
    case 'markdown':
      return `<div class="cell">${await markdownHtml(source, readAsset, cell.attachments)}</div>`;
    case 'code':
      return codeCell(cell, source, language, readAsset);
    default:
      return source === '' ? '' : `<div class="cell"><pre>${escapeMarkup(source)}</pre></div>`;
  }
}

async function codeCell(cell: Cell, source: string, language: string, readAsset: ReadAsset): Promise<string> {
  const { jupyter, collapsed } = cell.metadata ?? {};
  const count = typeof cell.execution_count === 'number' ? cell.execution_count : ' ';
  const parts: string[] = [];
  if (source.trim() !== '' && jupyter?.source_hidden !== true) {
    parts.push(
      `<div class="prompt" aria-hidden="true">[${count}]</div><pre class="source"><code>${codeHtml(source, language)}</code></pre>`,
    );
  }
  if (collapsed !== true && jupyter?.outputs_hidden !== true) {
    for (const output of outputsOf(cell)) {
      const html = await outputHtml(output, readAsset);
      if (html !== '') parts.push(`<div class="output"${scrollStop(html, count)}>${html}</div>`);
    }
  }
  return parts.length === 0 ? '' : `<div class="cell">${parts.join('\n')}</div>`;
}

/** Makes an output with a table a stop of the keyboard, by which one that is wider than the page is scrolled; figures have their own. */
function scrollStop(html: string, count: number | string): string {
  if (!html.includes('<table') || html.startsWith('<figure>')) return '';
  return ` tabindex="0" role="group" aria-label="Output${count === ' ' ? '' : ` [${count}]`}, scrolls"`;
}

/** Outputs that are of the right type, as far as the cell has any. */
function outputsOf({ outputs }: Cell): readonly Output[] {
  return Array.isArray(outputs) ? outputs.filter((output: Output) => isJsonObject(output)) : [];
}
