import { escapeMarkup } from '../display/draw/svg.js';
import { LATENCY_MIME, type LatencyDocument, MASKS_MIME, type MasksDocument } from '../display/mime.js';
import { latencyTables, masksTable } from '../display/tables/documents.js';
import { tableHtml } from '../display/tables/table.js';
import { isJsonObject } from '../json-object.js';
import { ansiHtml } from './ansi.js';
import { markdownHtml, type ReadAsset, standAlone } from './markdown.js';
import { type Output, textOf } from './nbformat.js';

const PICTURES = ['image/png', 'image/jpeg', 'image/webp', 'image/gif'];

/** An output as self-contained HTML. */
export async function outputHtml(output: Output, readAsset: ReadAsset): Promise<string> {
  switch (output.output_type) {
    case 'stream':
      return terminal(textOf(output.text), output.name === 'stderr' ? 'stderr' : 'stdout');
    case 'error': {
      const traceback = Array.isArray(output.traceback) ? output.traceback.map(textOf).join('\n') : '';
      return terminal(traceback || `${textOf(output.ename)}: ${textOf(output.evalue)}`, 'stderr');
    }
    default:
      return bundleHtml(output, readAsset);
  }
}

function terminal(text: string, kind: 'stdout' | 'stderr'): string {
  return text === '' ? '' : `<pre class="${kind}">${ansiHtml(text)}</pre>`;
}

/** The richest representation that a page without scripts can show. */
async function bundleHtml(output: Output, readAsset: ReadAsset): Promise<string> {
  const data = isJsonObject(output.data) ? output.data : {};
  const metadata = isJsonObject(output.metadata) ? output.metadata : {};
  const text = textOf(data['text/plain']);
  const tables = figureTables(data);
  const picture = pictureHtml(data, metadata, tables === undefined ? text : 'The data follow as a table.');
  if (tables !== undefined) return `<figure>${picture ?? ''}${tables}</figure>`;
  if (data['text/html'] !== undefined) return standAlone(textOf(data['text/html']), readAsset);
  if (data['text/markdown'] !== undefined) return markdownHtml(textOf(data['text/markdown']), readAsset);
  if (data['text/latex'] !== undefined) return markdownHtml(textOf(data['text/latex']), readAsset);
  if (picture !== undefined) return `<figure>${picture}</figure>`;
  if (text === '' && data['application/json'] !== undefined) {
    return `<pre>${escapeMarkup(JSON.stringify(data['application/json'], null, 2))}</pre>`;
  }
  return terminal(text, 'stdout');
}

/** The data of Fovea's own displays as tables below the picture, for readers without the lab. */
function figureTables(data: NonNullable<Output['data']>): string | undefined {
  try {
    const tables = data[MASKS_MIME]
      ? [masksTable(data[MASKS_MIME] as MasksDocument)]
      : data[LATENCY_MIME]
        ? latencyTables(data[LATENCY_MIME] as LatencyDocument)
        : undefined;
    return tables
      ?.map(
        (table) =>
          `<div class="data" tabindex="0" role="region" aria-label="${escapeMarkup(`Data: ${table.title ?? 'table'}`)}">${tableHtml(table)}</div>`,
      )
      .join('');
  } catch {
    // The data are not as their format says: the picture and the text are shown all the same.
    return undefined;
  }
}

function pictureHtml(
  data: NonNullable<Output['data']>,
  metadata: NonNullable<Output['metadata']>,
  alt: string,
): string | undefined {
  const svg = textOf(data['image/svg+xml']);
  const mime = PICTURES.find((each) => textOf(data[each]) !== '');
  if (!mime && svg === '') return undefined;
  const base64 = mime ? textOf(data[mime]).replace(/[^\w+/=]/g, '') : Buffer.from(svg).toString('base64');
  const { width, height } = (metadata[mime ?? 'image/svg+xml'] ?? {}) as Record<string, unknown>;
  const size = (name: string, value: unknown) => (typeof value === 'number' ? ` ${name}="${value}"` : '');
  return `<img src="data:${mime ?? 'image/svg+xml'};base64,${base64}" alt="${escapeMarkup(alt)}"${size('width', width)}${size('height', height)}>`;
}
