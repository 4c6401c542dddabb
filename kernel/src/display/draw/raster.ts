import { createRequire } from 'node:module';
import { FoveaError } from '@fovea/engine';
import type { ResvgRenderOptions } from '@resvg/resvg-js';
import { type Drawing, svgDocument } from './svg.js';

const require = createRequire(import.meta.url);

/** Pixels of the PNG per pixel of the drawing: sharp on high-density screens. */
const density = 2;

/** Largest side of a PNG in pixels; beyond it the picture is scaled down as a whole. */
const largestSide = 8192;

let options: ResvgRenderOptions | undefined;

/** The bundled typeface only, so that a drawing looks the same on a machine without fonts. */
function renderOptions(): ResvgRenderOptions {
  options ??= {
    font: {
      fontFiles: ['400Regular/Inter_400Regular.ttf', '600SemiBold/Inter_600SemiBold.ttf'].map((file) =>
        require.resolve(`@expo-google-fonts/inter/${file}`),
      ),
      loadSystemFonts: false,
      defaultFontFamily: 'Inter',
    },
  };
  return options;
}

export interface RasterImage {
  /** The PNG file. */
  readonly png: Buffer;
  /** Size at which it is meant to be seen, CSS pixels; the file holds twice as many each way. */
  readonly width: number;
  readonly height: number;
}

/**
 * Rasterises a drawing at once, on this thread (a few to a few tens of milliseconds), so that a cell's
 * output keeps its order without awaiting.
 * @throws FoveaError `unsupported` when the rasteriser cannot be loaded on this platform
 */
export function rasterise(drawing: Drawing): RasterImage {
  let Resvg: typeof import('@resvg/resvg-js').Resvg;
  try {
    ({ Resvg } = require('@resvg/resvg-js') as typeof import('@resvg/resvg-js'));
  } catch (cause) {
    throw new FoveaError('unsupported', `no PNG drawing on ${process.platform}-${process.arch}: ${cause}`, {
      cause,
    });
  }
  const zoom = Math.min(density, largestSide / Math.max(drawing.width, drawing.height));
  const image = new Resvg(svgDocument(drawing), {
    ...renderOptions(),
    fitTo: { mode: 'zoom', value: zoom },
  }).render();
  return { png: image.asPng(), width: Math.round(drawing.width), height: Math.round(drawing.height) };
}
