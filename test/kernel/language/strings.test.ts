// @module-tag process
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { builtNetworkNames, deviceNames, shippedModelNames } from '@fovea/engine';
import { maskerNames, shippedBackendNames, shippedStrategyNames } from '@fovea/engine/internal';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleImageNames } from '../../../kernel/src/display/images.js';
import { LanguageService } from '../../../kernel/src/language/service.js';

const ROOT = join(import.meta.dirname, '../../..');
const IMPORTS =
  "import { builtNetwork, getDevice, getStrategy, loadNetwork, loadShippedModel, predict, run } from '@fovea/engine';\n" +
  "import { getBackend } from '@fovea/engine/backend';\nimport type { SweepSpace } from '@fovea/kernel';\n";

let directory: string;
let service: LanguageService;

beforeAll(() => {
  // Below the repository, whose packages are found from there.
  mkdirSync(join(ROOT, 'test/output'), { recursive: true });
  directory = mkdtempSync(join(ROOT, 'test/output/strings-'));
  mkdirSync(join(directory, 'models/large'), { recursive: true });
  mkdirSync(join(directory, '.hidden'));
  for (const file of ['models/one.onnx', 'models/two.safetensors', 'Cat 1.png', "it's.png"])
    writeFileSync(join(directory, file), '');
  symlinkSync('models', join(directory, 'linked'));
  service = new LanguageService({ directory });
});

afterAll(() => {
  service.dispose();
  rmSync(directory, { recursive: true });
});

/** Completions where `|` stands in the code, and what of it they replace. */
async function completions(code: string) {
  const whole = IMPORTS + code;
  const at = whole.indexOf('|');
  const { matches, cursorStart, metadata } = await service.complete(whole.replace('|', ''), at);
  const types = metadata._jupyter_types_experimental.map(({ type }) => type);
  return { matches, types, replaced: whole.slice(cursorStart, at) };
}

const sorted = (names: readonly string[]) => [...names].sort();

describe('completion of names in strings', () => {
  it.each([
    ["builtNetwork('|", builtNetworkNames],
    ["loadShippedModel('|", shippedModelNames],
    ["getStrategy('|", shippedStrategyNames()],
    ["predict(builtNetwork('resnet18'), { device: 'v100', strategy: '|", shippedStrategyNames()],
    ["run(builtNetwork('resnet18'), undefined!, { strategy: '|", shippedStrategyNames()],
    ["getDevice('|", deviceNames()],
    ["predict(builtNetwork('resnet18'), { device: '|", deviceNames()],
    ["getBackend('|", shippedBackendNames()],
    ["run(builtNetwork('resnet18'), undefined!, { backend: '|", shippedBackendNames()],
    ["fovea.sampleImage('|", sampleImageNames],
    ["const space: SweepSpace = { networks: ['|", [...builtNetworkNames, ...shippedModelNames]],
    ["const space: SweepSpace = { strategies: ['|", shippedStrategyNames()],
    ["const space: SweepSpace = { maskers: ['|", maskerNames],
    ["const space: SweepSpace = { backends: ['|", shippedBackendNames()],
  ])('%s offers all that there are', async (code, names) => {
    expect(names).not.toEqual([]);
    expect(sorted((await completions(code)).matches)).toEqual(sorted(names));
  });

  it('offers those that begin with what is written', async () => {
    const { matches, replaced } = await completions("builtNetwork('wide|");
    expect(sorted(matches)).toEqual(['wide_resnet101_2', 'wide_resnet50_2']);
    expect(replaced).toBe('wide');
  });
});

describe('completion of paths in strings', () => {
  it('offers files and folders, and what is in a folder', async () => {
    const { matches, types } = await completions("loadNetwork('|");
    expect(matches).toEqual(['Cat 1.png', 'linked/', 'models/']);
    expect(types).toEqual(['file', 'folder', 'folder']);
    const within = await completions('loadNetwork("models/|")');
    expect(within.matches).toEqual(['models/large/', 'models/one.onnx', 'models/two.safetensors']);
    expect(within.replaced).toBe('models/');
  });

  it('goes on from any beginning of a path, whatever its case', async () => {
    expect((await completions("fovea.readImage('cat|")).matches).toEqual(['Cat 1.png']);
    expect((await completions("loadNetwork('./linked/o|")).matches).toEqual(['./linked/one.onnx']);
    expect((await completions(`loadNetwork('${directory}/mo|`)).matches).toEqual([`${directory}/models/`]);
    expect((await completions("loadNetwork('models/../mod|")).matches).toEqual(['models/../models/']);
  });

  it('offers hidden files where their dot is written', async () => {
    expect((await completions("loadNetwork('.h|")).matches).toEqual(['.hidden/']);
  });

  it('offers files where a name of a network could stand too', async () => {
    const { matches } = await completions("const space: SweepSpace = { networks: ['mod|");
    expect(matches).toEqual(['models/']);
  });

  it('offers nothing for a folder that does not exist, and none for text', async () => {
    expect((await completions("loadNetwork('nowhere/|")).matches).toEqual([]);
    expect((await completions("console.log('Cats |")).matches).toEqual([]);
  });
});
