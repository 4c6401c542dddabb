import { FoveaError } from '@fovea/engine';
import { expectArgument } from '@fovea/engine/files';
import { aLatencyDocument, aMasksDocument } from './argument-kinds.js';
import { drawLatency } from './draw/latency.js';
import { drawMasks } from './draw/masks.js';
import { type RasterImage, rasterise } from './draw/raster.js';
import type { Drawing } from './draw/svg.js';
import { LATENCY_MIME, type LatencyDocument, MASKS_MIME, type MasksDocument } from './mime.js';
import { latencyTables, masksTable } from './tables/documents.js';
import { type Table, tableHtml, tableText } from './tables/table.js';

/** The same thing in several representations, by MIME type; binary types are base64 text. */
export interface MimeBundle {
  readonly data: Readonly<Record<string, unknown>>;
  /** By MIME type; a PNG's `width` and `height` say at which size it is meant to be seen. */
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** Mask overlays: the document for the extension, a PNG and a text for other front ends. */
export function masksBundle(document: MasksDocument): MimeBundle {
  expectArgument(document, aMasksDocument, 'showMasksDocument: document');
  return withPicture(() => drawMasks(document), {
    data: { [MASKS_MIME]: document, 'text/plain': tableText(masksTable(document)) },
    metadata: {},
  });
}

/** Latency plots: the document for the extension, a PNG and tables as text for other front ends. */
export function latencyBundle(document: LatencyDocument): MimeBundle {
  expectArgument(document, aLatencyDocument, 'showLatency: document');
  return withPicture(() => drawLatency(document), {
    data: { [LATENCY_MIME]: document, 'text/plain': latencyTables(document).map(tableText).join('\n\n') },
    metadata: {},
  });
}

/** A table as HTML and as text. */
export function tableBundle(...tables: readonly Table[]): MimeBundle {
  return {
    data: {
      'text/html': tables.map(tableHtml).join('\n'),
      'text/plain': tables.map(tableText).join('\n\n'),
    },
    metadata: {},
  };
}

/** A picture, shown at `width` by `height` CSS pixels, with a line of text for terminals. */
export function pngBundle({ png, width, height }: RasterImage, description: string): MimeBundle {
  return {
    data: { 'image/png': Buffer.from(png).toString('base64'), 'text/plain': description },
    metadata: { 'image/png': { width, height } },
  };
}

/** Several representations as one; of those of the same type the first counts. */
export function mergeBundles(...bundles: readonly MimeBundle[]): MimeBundle {
  return {
    data: Object.assign({}, ...bundles.map((bundle) => bundle.data).reverse()),
    metadata: Object.assign({}, ...bundles.map((bundle) => bundle.metadata).reverse()),
  };
}

/**
 * Adds the PNG of a drawing. Where this platform has no rasteriser, the other representations still stand.
 */
export function withPicture(draw: () => Drawing, bundle: MimeBundle): MimeBundle {
  let image: RasterImage;
  try {
    image = rasterise(draw());
  } catch (error) {
    if (error instanceof FoveaError && error.code === 'unsupported') return bundle;
    throw error;
  }
  return mergeBundles(bundle, pngBundle(image, ''));
}
