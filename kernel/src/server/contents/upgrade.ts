import { isJsonObject, type JsonObject } from '../../json-object.js';

/**
 * Notebooks of format 3, which IPython wrote until 2014, as notebooks of format 4. What changed is in nbformat's
 * "Notebook file format" documentation: worksheets are gone, headings are Markdown, and outputs are keyed by
 * their MIME types.
 */
const objectOf = (value: unknown): JsonObject => (isJsonObject(value) ? value : {});
const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);

/** Text that may be a list of lines; the oldest programs left the line ends out. */
function textOf(value: unknown): string {
  if (!Array.isArray(value)) return typeof value === 'string' ? value : '';
  return value.join(/[\r\n]$/.test(String(value[0])) ? '' : '\n');
}

/** The short names that outputs had, and their MIME types. */
const MIME_TYPES: Readonly<Record<string, string>> = {
  text: 'text/plain',
  html: 'text/html',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpeg: 'image/jpeg',
  latex: 'text/latex',
  json: 'application/json',
  javascript: 'application/javascript',
};

const withMimeTypes = (values: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [MIME_TYPES[name] ?? name, value]));

/** JSON was kept as text; text that is none stays. */
function parsed(value: unknown): unknown {
  try {
    return JSON.parse(textOf(value));
  } catch {
    return value;
  }
}

/** The data of an output that is shown by MIME type, and its metadata. */
function mimeBundle({ output_type, prompt_number, metadata, ...values }: JsonObject) {
  const data = Object.entries(values).map(([name, value]) => [
    name,
    name === 'json' ? parsed(value) : Array.isArray(value) ? textOf(value) : value,
  ]);
  return { data: withMimeTypes(Object.fromEntries(data)), metadata: withMimeTypes(objectOf(metadata)) };
}

function upgradeOutput(output: JsonObject): JsonObject {
  switch (output.output_type) {
    case 'pyout':
      return {
        output_type: 'execute_result',
        execution_count: output.prompt_number ?? null,
        ...mimeBundle(output),
      };
    case 'display_data':
      return { output_type: 'display_data', ...mimeBundle(output) };
    case 'pyerr': {
      const { ename = '', evalue = '', traceback } = output;
      return { output_type: 'error', ename, evalue, traceback: listOf(traceback) };
    }
    case 'stream':
      return { output_type: 'stream', name: output.stream ?? 'stdout', text: textOf(output.text) };
    default:
      return output;
  }
}

function upgradeCell(cell: JsonObject): JsonObject {
  const metadata = objectOf(cell.metadata);
  if (cell.cell_type === 'code') {
    return {
      cell_type: 'code',
      metadata: 'collapsed' in cell ? { ...metadata, collapsed: cell.collapsed } : metadata,
      source: textOf(cell.input),
      execution_count: cell.prompt_number ?? null,
      outputs: listOf(cell.outputs).filter(isJsonObject).map(upgradeOutput),
    };
  }
  if (cell.cell_type === 'heading') {
    const level = typeof cell.level === 'number' ? Math.min(Math.max(cell.level, 1), 6) : 1;
    const line = textOf(cell.source).split(/\r?\n/).join(' ').trim();
    return { cell_type: 'markdown', metadata, source: `${'#'.repeat(level)} ${line}` };
  }
  const type = cell.cell_type === 'html' ? 'markdown' : cell.cell_type;
  return { cell_type: type, metadata, source: textOf(cell.source) };
}

/**
 * The format 4 of a notebook of format 3. It says in its metadata where it comes from (`orig_nbformat`), so that
 * JupyterLab informs the user that saving will convert the file.
 */
export function upgradeNotebook(notebook: JsonObject): JsonObject {
  const { name: _name, signature: _signature, ...metadata } = objectOf(notebook.metadata);
  const cells = listOf(notebook.worksheets).flatMap((sheet) => listOf(objectOf(sheet).cells));
  return {
    cells: cells.filter(isJsonObject).map(upgradeCell),
    metadata: { ...metadata, orig_nbformat: 3, orig_nbformat_minor: notebook.nbformat_minor ?? 0 },
    nbformat: 4,
    nbformat_minor: 4,
  };
}
