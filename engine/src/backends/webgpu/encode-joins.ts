import { samplingOf } from '../../network/sampling.js';
import type { OperationOf, ProgramMap } from '../../program/program.js';
import { everywhere, pixelsOf } from './everywhere.js';
import { GROUP, spread, vectors } from './kernel.js';
import { copyChannelsKernel, multiplyKernel, resizeKernel } from './kernels/joins.js';
import type { Launch } from './launch.js';

/** A dispatch with an item for each vector that gets a channel. */
export function encodeCopyChannels({
  source,
  destination,
  from,
  count,
  to,
}: OperationOf<'copy-channels'>): Launch {
  const span = vectors(to + count) - Math.floor(to / 4);
  const items = pixelsOf(destination) * span;
  const [x, z] = spread(Math.ceil(items / GROUP));
  return {
    kernel: copyChannelsKernel(from % 4 === to % 4),
    parameters: {
      ...{ items, span, firstRead: from, count, firstWritten: to },
      ...{ sourceVectors: vectors(source.shape[3]), vectors: vectors(destination.shape[3]) },
    },
    buffers: { source: { map: source }, destination: { map: destination } },
    workgroups: [x, 1, z],
  };
}

/** A map times another of its size, times each image's vector, or times a value for each pixel. */
export function encodeMultiply({ a, b, destination }: OperationOf<'multiply'>): Launch {
  const [, height, width, channels] = b.shape;
  const plane = height * width === 1 ? pixelsOf(a) / a.shape[0] : 1;
  const own = (map: ProgramMap) => map !== destination;
  return everywhere(
    multiplyKernel(own(a), own(b), channels < a.shape[3]),
    destination,
    { plane },
    {
      destination: { map: destination },
      ...(own(a) ? { a: { map: a } } : {}),
      ...(own(b) ? { b: { map: b } } : {}),
    },
  );
}

export function encodeResize({ source, destination, interpolation }: OperationOf<'resize'>): Launch {
  const [, height, width] = source.shape;
  const [, outHeight, outWidth] = destination.shape;
  const rows = samplingOf(interpolation, height, outHeight / height);
  const columns = samplingOf(interpolation, width, outWidth / width);
  return everywhere(
    resizeKernel(interpolation === 'nearest'),
    destination,
    {
      ...{ height, width, outHeight, outWidth },
      ...{ stepY: rows.step, offsetY: rows.offset, perY: rows.per },
      ...{ stepX: columns.step, offsetX: columns.offset, perX: columns.per },
    },
    { source: { map: source }, destination: { map: destination } },
  );
}
