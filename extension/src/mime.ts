import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { LATENCY_MIME, MASKS_MIME, SWEEP_MIME } from './documents/types';
import { FOVEA_ICON } from './icon';
import { LatencyRenderer } from './latency/renderer';
import { MasksRenderer } from './masks/renderer';
import { SweepRenderer } from './sweep/renderer';

function extension(options: {
  readonly name: string;
  readonly label: string;
  readonly mimeType: string;
  readonly suffix: string;
  readonly createRenderer: () => IRenderMime.IRenderer;
}): IRenderMime.IExtension {
  const { name, label, mimeType, suffix, createRenderer } = options;
  return {
    id: `@fovea/lab:${name}`,
    description: `Draws ${mimeType}.`,
    // Safe: images from data URLs, canvases and text nodes only, so an untrusted notebook shows them too.
    rendererFactory: { safe: true, mimeTypes: [mimeType], createRenderer },
    // Below 50, so that the picture beside it in the bundle stays the fallback.
    rank: 10,
    dataType: 'json',
    fileTypes: [
      {
        name: `fovea-${name}`,
        displayName: label,
        extensions: [suffix],
        mimeTypes: [mimeType],
        icon: FOVEA_ICON,
      },
    ],
    documentWidgetFactoryOptions: {
      name: label,
      primaryFileType: `fovea-${name}`,
      fileTypes: [`fovea-${name}`],
      defaultFor: [`fovea-${name}`],
    },
  };
}

const extensions: IRenderMime.IExtension[] = [
  extension({
    name: 'masks',
    label: 'Fovea masks',
    mimeType: MASKS_MIME,
    suffix: '.fovea-masks.json',
    createRenderer: () => new MasksRenderer(),
  }),
  extension({
    name: 'latency',
    label: 'Fovea latency',
    mimeType: LATENCY_MIME,
    suffix: '.fovea-latency.json',
    createRenderer: () => new LatencyRenderer(),
  }),
  extension({
    name: 'sweep',
    label: 'Fovea sweep',
    mimeType: SWEEP_MIME,
    suffix: '.fovea-sweep.json',
    createRenderer: () => new SweepRenderer(),
  }),
];

export default extensions;
