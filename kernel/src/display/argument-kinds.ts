import {
  aCount,
  aMask,
  aNumber,
  anObject,
  aPosition,
  aProfile,
  aTensor,
  aText,
  aUint8Array,
  either,
  type Kind,
  listOf,
  someBytes,
} from '@fovea/engine/files';
import type { MasksDocument } from './mime.js';

type Fields = Readonly<Record<string, unknown>>;

const withFields = (accepted: string, holds: (value: Fields) => boolean): Kind => ({
  accepted,
  holds: (value) => anObject.holds(value) && holds(value as Fields),
});

/** A profile, with or without a label of one's own. */
export const aLabelled: Kind = either(
  aProfile,
  withFields('{ label, profile } of one', ({ profile }) => aProfile.holds(profile)),
);

const aView = withFields('a view', ({ kind }) => typeof kind === 'string');
const aBar = withFields(
  'a bar { label, totalMs }',
  ({ label, totalMs }) => aText.holds(label) && aNumber.holds(totalMs),
);

export const somethingTimed = either(aLabelled, listOf(either(aLabelled, aView), 'profiles and views'));
export const bars = listOf(either(aLabelled, aBar), 'profiles and bars');
export const labelledProfiles = listOf(aLabelled, 'profiles, as run and predict give,');

export const ratioSweeps = listOf(
  withFields(
    'a sweep',
    ({ stage, granularity, points }) =>
      aPosition.holds(stage) &&
      aNumber.holds(granularity) &&
      Array.isArray(points) &&
      points.every(
        (point) =>
          anObject.holds(point) &&
          aNumber.holds(point.rate) &&
          aProfile.holds(point.adaptive) &&
          aProfile.holds(point.dense),
      ),
  ),
  '{ stage, granularity, points }, points of { rate, adaptive, dense },',
);
const pointsOf = (...fields: readonly string[]): Kind =>
  listOf(
    withFields('a point', (point) =>
      fields.every((field) => (field === 'label' ? aText : aNumber).holds(point[field])),
    ),
    `{ ${fields.join(', ')} }`,
  );
export const ratios = pointsOf('rate', 'ratio');
export const scoredPoints = pointsOf('label', 'ms', 'score');

export const aLatencyDocument = withFields('a document, as latencyDocument makes,', ({ views }) =>
  Array.isArray(views),
);
export const aMasksDocument = withFields('a document, as masksDocument makes,', (document) =>
  Array.isArray((document as unknown as MasksDocument).images),
);

export const masksOfRun = withFields('what run returns, or { masks },', ({ masks, output }) => {
  const isOutput = output === undefined || aTensor.holds(output);
  return isOutput && Array.isArray(masks) && masks.every(aMask.holds);
});

const aPixels = withFields(
  'pixels { width, height, channels, data }',
  ({ width, height, channels = 3, data }) => {
    const isSized = aCount.holds(width) && aCount.holds(height) && [1, 3, 4].includes(channels as number);
    if (!isSized || !someBytes.holds(data)) return false;
    return (data as Uint8Array).length === Number(width) * Number(height) * Number(channels);
  },
);

/** Anything that can be converted to one or more pictures. */
export const aPicture: Kind = {
  accepted:
    'a Tensor, what readImage returns, a PNG file’s bytes, or pixels { width, height, channels, data }',
  holds: (value) => {
    if (aUint8Array.holds(value) || aTensor.holds(value) || aPixels.holds(value)) return true;
    if (!anObject.holds(value)) return false;
    const { name, tensor, png, pixels } = value as Fields;
    if (name !== undefined && !aText.holds(name)) return false;
    return aTensor.holds(tensor) || aText.holds(png) || aUint8Array.holds(png) || aPixels.holds(pixels);
  },
};

/** Two numbers, the first of which is not above the second. */
export const aRange: Kind = {
  accepted: 'two numbers, the smaller first,',
  holds: (value) =>
    Array.isArray(value) && value.length === 2 && value.every(Number.isFinite) && value[0] <= value[1],
};

export const pictureOptionKinds = { maxSide: aCount, range: aRange };

export const masksOptionKinds = {
  ...pictureOptionKinds,
  title: aText,
  names: listOf(aText, 'texts'),
  labels: listOf(aText, 'texts'),
  top: aPosition,
};
