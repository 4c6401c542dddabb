import { isPromise, tagOf } from './said.js';

/** A kind of value that an argument or an option takes. */
export interface Kind {
  /** What messages call it: `a network`. */
  readonly accepted: string;
  readonly holds: (value: unknown) => boolean;
}

const kind = (accepted: string, holds: (value: unknown) => boolean): Kind => ({ accepted, holds });

/** Extents, counts and positions that address memory are below this in every array. */
export const MOST_EXTENT = 2 ** 31 - 1;

const isFields = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' &&
  value !== null &&
  !Array.isArray(value) &&
  !ArrayBuffer.isView(value) &&
  !isPromise(value);

const isWhole = (value: unknown, least: number): value is number =>
  Number.isInteger(value) && (value as number) >= least && (value as number) <= MOST_EXTENT;

/** Checked where it is used, whose message says more: of any type, but what somebody forgot to await. */
export const later = kind('a value that has been awaited', (value) => !isPromise(value));

export const aText = kind('a text', (value) => typeof value === 'string');
export const aFlag = kind('true or false', (value) => typeof value === 'boolean');
export const aFunction = kind('a function', (value) => typeof value === 'function');
export const aNumber = kind('a number', (value) => typeof value === 'number');
export const anInteger = kind('an integer', (value) => Number.isInteger(value));
export const aCount = kind(`an integer from 1 to ${MOST_EXTENT}`, (value) => isWhole(value, 1));
export const aPosition = kind(`an integer from 0 to ${MOST_EXTENT}`, (value) => isWhole(value, 0));
export const anObject = kind('an object', isFields);

export const aSignal = kind(
  'an AbortSignal',
  (value) =>
    isFields(value) && typeof value.aborted === 'boolean' && typeof value.addEventListener === 'function',
);

export const aUint8Array = kind('a Uint8Array', (value) => tagOf(value) === 'Uint8Array');
export const someBytes = kind('a Uint8Array', (value) =>
  ['Uint8Array', 'Uint8ClampedArray'].includes(tagOf(value)),
);
/** Also one that was emptied: code that owns the memory may have transferred it. */
export const floats = kind('a Float32Array', (value) => tagOf(value) === 'Float32Array');

/** Of numbers, in an array or a typed one. */
export const numbers = kind(
  'a list of numbers',
  (value) =>
    (Array.isArray(value) && value.every((entry) => typeof entry === 'number')) ||
    (tagOf(value).endsWith('Array') && tagOf(value) !== 'Array'),
);

/** @param of what each entry is: `images` */
export const listOf = ({ holds }: Kind, of: string): Kind =>
  kind(`a list of ${of}`, (value) => Array.isArray(value) && value.every(holds));

/** A single value, or a list of them. */
export const either = (first: Kind, second: Kind): Kind =>
  kind(`${first.accepted} or ${second.accepted}`, (value) => first.holds(value) || second.holds(value));

export const aNumberOrNumbers = either(aNumber, numbers);

export const oneOf = (names: readonly unknown[]): Kind =>
  kind(names.join(' or '), (value) => names.includes(value));

/** Checked once: every run of a network asks again, some through several functions, and nodes are many. */
const networks = new WeakSet<object>();

export const aNetwork = kind('a network, as loadNetwork, readNetwork or builtNetwork return,', (value) => {
  if (isFields(value) && networks.has(value)) return true;
  if (!isFields(value) || !Array.isArray(value.nodes) || !isFields(value.inputShape)) return false;
  if (value.nodes.length === 0 || !value.nodes.every(isFields)) return false;
  const { channels, height, width } = value.inputShape;
  const holds = isWhole(channels, 1) && isWhole(height, 1) && isWhole(width, 1);
  if (holds) networks.add(value);
  return holds;
});

/** A tensor that holds what its shape says: its memory may have been transferred or resized since it was made. */
export const aTensor = kind('a Tensor, as preprocess or new Tensor(shape, data) make,', (value) => {
  if (!isFields(value) || tagOf(value.data) !== 'Float32Array') return false;
  const { shape } = value;
  if (!Array.isArray(shape) || shape.length !== 4 || !shape.every((extent) => isWhole(extent, 1)))
    return false;
  return (value.data as Float32Array).length === shape.reduce((product, extent) => product * extent, 1);
});

/** `height · width · 3` bytes. */
export const anImage = kind(
  'an image { width, height, data } of width · height · 3 bytes, as readImage returns,',
  (value) => {
    if (!isFields(value) || !isWhole(value.width, 1) || !isWhole(value.height, 1)) return false;
    const isBytes = ['Uint8Array', 'Uint8ClampedArray'].includes(tagOf(value.data));
    return isBytes && (value.data as Uint8Array).length === value.width * value.height * 3;
  },
);

/** A measurement or a prediction. */
export const aProfile = kind(
  'a Profile, as run and predict give,',
  (value) =>
    isFields(value) &&
    Array.isArray(value.ops) &&
    Array.isArray(value.blocks) &&
    typeof value.totalMs === 'number',
);

export const aMask = kind(
  'a mask, as run gives,',
  (value) =>
    isFields(value) &&
    isWhole(value.block, 0) &&
    isWhole(value.batch, 1) &&
    isWhole(value.rows, 1) &&
    isWhole(value.columns, 1) &&
    isWhole(value.height, 1) &&
    isWhole(value.width, 1) &&
    tagOf(value.cells) === 'Uint8Array' &&
    (value.cells as Uint8Array).length === value.batch * value.rows * value.columns,
);

export const aMasker = kind(
  'a masker, as customMasker makes of a function,',
  (value) => isFields(value) && typeof value.decide === 'function',
);

export const aBlock = kind(
  'a block, as blocksOf gives,',
  (value) => isFields(value) && Array.isArray(value.branch) && isWhole(value.index, 0),
);

export const aBlockShape = kind('what blockShape returns', (value) => {
  if (!isFields(value) || !Array.isArray(value.branch)) return false;
  return ['inHeight', 'inWidth', 'inChannels', 'outHeight', 'outWidth', 'outChannels'].every((extent) =>
    isWhole(value[extent], 1),
  );
});

export const aConvolution = kind(
  'a convolution',
  (value) =>
    isFields(value) &&
    ['kernel', 'stride', 'padding', 'dilation'].every(
      (field) =>
        Array.isArray(value[field]) &&
        value[field].length >= 2 &&
        value[field].every((entry) => isWhole(entry, 0)),
    ),
);

export const aSize = kind(
  'a size { height, width } of integers of at least 1',
  (value) => isFields(value) && isWhole(value.height, 1) && isWhole(value.width, 1),
);

export const aDataset = kind('a data set, as generateDataset and readImageFolder return,', (value) => {
  if (!aSize.holds(value) || !isFields(value) || !isWhole(value.count, 1) || !Array.isArray(value.labels))
    return false;
  const { count, height, width, pixels, targets } = value;
  const isWholeImages =
    tagOf(pixels) === 'Uint8Array' &&
    (pixels as Uint8Array).length === count * (height as number) * (width as number) * 3;
  return isWholeImages && tagOf(targets) === 'Int32Array' && (targets as Int32Array).length === count;
});
