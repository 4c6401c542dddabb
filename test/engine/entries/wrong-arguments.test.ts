import * as engine from '@fovea/engine';
import * as backend from '@fovea/engine/backend';
import * as onnx from '@fovea/engine/onnx';
import * as prediction from '@fovea/engine/predict';
import * as training from '@fovea/engine/train';
import * as web from '@fovea/engine/web';
import { describe, expect, it } from 'vitest';
import { faultsOf, type SoundCall } from '../../support/wrong-values.js';
import { elsewhere, soundCalls } from '../support/sound-calls.js';

const entries: Readonly<Record<string, object>> = {
  '.': engine,
  './predict': prediction,
  './train': training,
  './onnx': onnx,
  './backend': backend,
  './web': web,
};
const calls = await soundCalls();

/** Whose last argument is an object of data, or a value with methods of its own. */
const data = [
  ...[
    'activePixels',
    'blockShape',
    'branchRegions',
    'calibrationOf',
    'decideMask',
    'describeNetwork',
    'encodePng',
  ],
  ...[
    'maskStatistics',
    'mergeSteps',
    'networkShapes',
    'predictRow',
    'receptiveRegion',
    'recomputeTable',
    'regionMasker',
  ],
  ...[
    'regionPixels',
    'registerBackend',
    'registerStrategy',
    'resolveMaskers',
    'saveModel',
    'stepOf',
    'trainedNetwork',
  ],
  ...['blocksOf', 'releaseNetwork', 'saveNetwork', 'mapBytes', 'writeSafetensors'],
];
const takesOptions = ({ arguments: given }: SoundCall, name: string) =>
  Object.getPrototypeOf(given.at(-1) ?? 0) === Object.prototype && !data.includes(name);

describe.each(Object.entries(entries))('what comes in through %s', (entry, exported) => {
  const classes = ['Tensor', 'Random'];
  const functions = Object.entries(exported)
    .filter(([name, value]) => typeof value === 'function' && !classes.includes(name) && !(name in elsewhere))
    .map(([name]) => name);

  it('is checked for every function', () => {
    expect(Object.keys(calls[entry]!).sort()).toEqual(functions.sort());
  });

  it.each(Object.keys(calls[entry]!).filter((name) => takesOptions(calls[entry]![name]!, name)))(
    'is refused by %s where no option has such a name',
    async (name) => {
      const called = (exported as Record<string, (...given: unknown[]) => unknown>)[name]!;
      const given = calls[entry]![name]!.arguments;
      const slip = { ...(given.at(-1) as object), thread: 2 };
      await expect((async () => called(...given.slice(0, -1), slip))()).rejects.toThrow(
        /an option "thread"; .* are accepted/,
      );
    },
  );

  it.each(Object.keys(calls[entry]!))(
    'is refused by %s in words where it is of another kind',
    async (name) => {
      const called = (exported as Record<string, (...given: unknown[]) => unknown>)[name]!;
      expect(await faultsOf(name, called, calls[entry]![name]!)).toEqual([]);
    },
  );
});
