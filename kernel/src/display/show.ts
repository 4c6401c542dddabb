import type { Network, Profile } from '@fovea/engine';
import { aText, either, expectArgument, expectOptions } from '@fovea/engine/files';
import { aLatencyDocument, masksOptionKinds, pictureOptionKinds, somethingTimed } from './argument-kinds.js';
import { latencyBundle, masksBundle, pngBundle } from './bundle.js';
import { show } from './cell-output.js';
import { type Labelled, latencyDocument } from './documents/latency.js';
import { type MasksDocumentOptions, type MasksSource, masksDocument } from './documents/masks.js';
import type { LatencyDocument, LatencyView, MasksDocument } from './mime.js';
import { type PictureOptions, type PictureSource, pictures } from './picture.js';

/** Where a display is shown. */
export interface ShowOptions {
  /** Replaces what was last shown under this id, in any cell. */
  readonly id?: string | undefined;
}

/**
 * Shows where a network computed: each image with its masks over it, block by block.
 *
 *     const result = await run(network, image, { granularity: [8, 4, 7, 1] });
 *     fovea.showMasks(result, image, network);
 *
 * @param result what `run` returned, or `{ masks }`
 * @param images the images that ran: tensors, PNG files' bytes or pixels, one per image of the batch
 * @param network gives blocks and classes their names
 */
export function showMasks(
  result: MasksSource,
  images: PictureSource | readonly PictureSource[],
  network: Network,
  options: MasksDocumentOptions & ShowOptions = {},
): void {
  const { id, ...how } = expectOptions(options, { ...masksOptionKinds, id: aText }, 'showMasks');
  showMasksDocument(masksDocument(result, images, network, how), { id });
}

/** Shows a document made by `masksDocument`. */
export function showMasksDocument(document: MasksDocument, options: ShowOptions = {}): void {
  const { id } = expectOptions(options, { id: aText }, 'showMasksDocument');
  show(masksBundle(document), id);
}

/**
 * Shows where the time goes. One profile is broken down by pass; several are compared block by block.
 *
 *     fovea.showLatency([predicted, measured]);
 *     fovea.showLatency([ratioView(sweeps), paretoView(points, { yLabel: 'top-1 accuracy' })]);
 *
 * @param content profiles, `{ profile, label }` pairs and views, or a whole document
 */
export function showLatency(
  content: Profile | LatencyDocument | readonly (Labelled | LatencyView)[],
  options: ShowOptions & { readonly title?: string | undefined } = {},
): void {
  const { id, title } = expectOptions(options, { id: aText, title: aText }, 'showLatency');
  expectArgument(content, either(somethingTimed, aLatencyDocument), 'showLatency: content');
  const document = 'views' in content ? content : latencyDocument(content, { title });
  show(latencyBundle(document), id);
}

/** Shows pictures: a tensor's images, a PNG file's bytes, or pixels. */
export function showImage(source: PictureSource, options: PictureOptions & ShowOptions = {}): void {
  const { id, ...how } = expectOptions(options, { ...pictureOptionKinds, id: aText }, 'showImage');
  for (const [index, { name, width, height, png }] of pictures(source, how).entries()) {
    show(
      pngBundle({ png: Buffer.from(png), width, height }, `${name}, ${width} x ${height}`),
      id === undefined ? undefined : `${id}${index === 0 ? '' : `-${index}`}`,
    );
  }
}
