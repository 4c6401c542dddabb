// @module-tag process
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { entry, fixture, fovea } from './run-fovea.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-refusals-'));
afterAll(() => rmSync(folder, { recursive: true }));
const empty = join(folder, 'empty');
mkdirSync(empty);
const text = join(folder, 'text.txt');
writeFileSync(text, 'neither a picture nor an array');

const tiny = fixture('lasnet-tiny.safetensors');
const config = fixture('lasnet-tiny.json');
const nowhere = join(folder, 'nowhere');

/** Runs a command that must be refused: nothing is printed but one line of complaint. */
async function refusal(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await fovea(...args);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr.match(/\n/g)).toHaveLength(1);
  expect(stderr).toMatch(/^fovea: /);
  return stderr;
}

describe.each([
  ['search', ['--device', 'v100']],
  ['fit', []],
  ['evaluate', []],
  ['validate', []],
  ['bench', []],
])('fovea %s', (command, needed) => {
  it('refuses a model that is not there, naming those that are', async () => {
    const [unknown, missing, folderGiven] = await Promise.all([
      refusal(command, 'alexnet', ...needed),
      refusal(command, join(nowhere, 'model.onnx'), ...needed),
      refusal(command, empty, ...needed),
    ]);
    expect(unknown).toMatch(/"alexnet" is neither a file, .*quick-look.*resnet50/);
    expect(missing).toContain(`cannot read ${join(nowhere, 'model.onnx')}: there is no such file`);
    expect(folderGiven).toContain(`cannot read ${empty}: it is not an ordinary file`);
  });
});

/** Stand for these paths in the lines below. */
const paths: Readonly<Record<string, string>> = { tiny, nowhere, empty, text };

const refused: [line: string, message: RegExp][] = [
  ['search resnet18 --device abacus', /device 'abacus' is not known: choose v100/],
  ['search resnet18 --device v100 --rate 1.5', /--rate "1\.5": a number from 0 to 1 is accepted/],
  ['search resnet18 --device v100 --rates 4=1.5', /activation rate 1\.5: a number from 0 to 1/],
  ['search resnet18 --device v100 --rates 4=0.5,1=0.3,4=0.2', /--rates 4=0\.5,.*: S=4 is given twice/],
  ['search resnet18 --device v100 --granularities 0', /granularity "0" in "0": integers of at least 1/],
  ['search resnet18 --device v100 --strategies eager', /unknown strategy "eager"; known are dense/],
  ['search resnet18 --device v100 --objective beauty', /"beauty": latency or finest is accepted/],
  ['search resnet18 --device v100 --scores 4=good', /--scores "4=good": S=value is accepted/],
  ['search resnet18 --device v100 --input-size 7x', /--input-size 7x: a side \(224\) or HEIGHTxWIDTH/],
  ['validate {tiny} --rates 0.5,2', /--rates "2": a number from 0 to 1 is accepted/],
  ['validate {tiny} --device abacus', /device 'abacus' is not known/],
  ['inspect {tiny} --program --json', /--json with --program: programs are printed as text/],
  ['validate {tiny} --threads 1,x', /--threads x: an integer of at least 1 is accepted/],
  ['validate {tiny} --runs 0', /--runs 0: an integer of at least 1 is accepted/],
  ['bench resnet18 --rates 2', /--rates "2": a number from 0 to 1 is accepted/],
  [
    'bench {tiny} --input {text}',
    /text\.txt is neither an image that can be read \(PNG, .*\) nor a \.safetensors/,
  ],
  ['bench {tiny} --runs -1', /--runs -1: an integer of at least 1 is accepted/],
  ['bench {tiny} --backend abacus', /unknown backend "abacus"; known are native/],
  ['evaluate {tiny} --data {nowhere}', /cannot read the folder .*nowhere: there is no such folder$/m],
  ['evaluate {tiny} --data {text}', /cannot read the folder .*text\.txt: it is not a folder$/m],
  ['evaluate {tiny} --data {empty}', /empty holds no folders; one folder of images per class is accepted/],
  ['evaluate {tiny} --images 1 --masker oracle', /"oracle"; learned, saliency, random/],
  ['evaluate {tiny} --images 1 --device abacus', /device 'abacus' is not known/],
  ['evaluate {tiny} --images 1 --compare 1.2', /--compare "1\.2": a number from 0 to 1/],
  ['sweep /no/such/space.json', /cannot read \/no\/such\/space\.json: there is no such file$/m],
  ['fit {tiny} --data {nowhere}', /cannot read the folder .*nowhere: there is no such folder$/m],
  ['fit {tiny} --images 1 --flops-target 2', /--flops-target "2": a number from 0 to 1/],
  ['fit {tiny} --images 1 --rate 0.5 --flops-target 0.5', /either a rate or a FLOPs target/],
  ['fit resnet18 --images 1 --granularity 1,2,3', /3 granularities given; 1, 4 .* or 8/],
];

it.concurrent.each(refused)('fovea %s is refused in one line, with exit code 1', async (line, message) => {
  const args = line.split(' ').map((word) => word.replace(/^{(\w+)}$/, (_, name) => paths[name]!));
  expect(await refusal(...args)).toMatch(message);
});

// Hours of work must not end with a name that cannot be written.
describe('an output that cannot be written is refused before any work', () => {
  // Were the recipe or the folder of images looked at first, the complaint would be about them.
  it.each([
    ['train', [nowhere]],
    ['adapt', [tiny, '--images', nowhere]],
    ['fit', [tiny, '--data', nowhere]],
  ])('by fovea %s', async (command, args) => {
    const given = (output: string) => refusal(command, ...args, '--output', output);
    const [noFolder, ending, isFolder] = await Promise.all([
      given(join(nowhere, 'x.safetensors')),
      given(join(folder, 'x.bin')),
      given(`${empty}/../empty.safetensors/`),
    ]);
    expect(noFolder).toContain(`the folder ${nowhere}: there is no such folder`);
    expect(ending).toMatch(/x\.bin: a name that ends in \.safetensors is accepted/);
    expect(isFolder).toMatch(/a name that ends in \.safetensors/);
  });

  it('by fovea infer', async () => {
    const given = (output: string) => refusal('infer', tiny, '--input', nowhere, '--output', output);
    const [noFolder, isFolder] = await Promise.all([given(join(nowhere, 'x.bin')), given(empty)]);
    expect(noFolder).toContain(`the folder ${nowhere}: there is no such folder`);
    expect(isFolder).toContain(`cannot save ${empty}: it is a folder`);
    expect(existsSync(nowhere)).toBe(false);
  });
});

describe('an output that would destroy something else is refused before any work', () => {
  const kept = (path: string, content: string | Uint8Array) => {
    writeFileSync(path, content);
    return path;
  };

  it('by fovea infer: an input, a network, a picture', async () => {
    const model = kept(join(folder, 'mine.safetensors'), readFileSync(tiny));
    const picture = kept(join(folder, 'mine.jpg'), 'not even looked at');
    const given = (input: string, output: string) =>
      refusal('infer', tiny, '--config', config, '--input', input, '--output', output);
    const [asInput, aNetwork, aPicture] = await Promise.all([
      given(picture, join(empty, '..', 'mine.jpg')),
      given(nowhere, model),
      given(nowhere, picture),
    ]);
    expect(asInput).toContain('mine.jpg: the command reads that file; name another');
    expect(aNetwork).toContain(
      `${model} exists and is not a result of fovea infer: remove it, or name another`,
    );
    expect(aPicture).toContain(`${picture} exists and is not a result of fovea infer`);
    expect(readFileSync(model)).toEqual(readFileSync(tiny));
  });

  it('by fit, adapt and train: the network they start from, weights of others', async () => {
    const weights = kept(join(folder, 'weights.safetensors'), readFileSync(tiny));
    const recipe = kept(join(folder, 'recipe.safetensors'), '{}');
    const [itself, others, trained] = await Promise.all([
      refusal('fit', weights, '--data', nowhere, '--output', weights),
      refusal('adapt', 'resnet18', '--images', nowhere, '--output', weights),
      refusal('train', recipe, '--output', recipe),
    ]);
    expect(itself).toContain(`cannot save ${weights}: the command reads that file`);
    expect(others).toContain(`${weights} exists and is not a network that fovea saved`);
    expect(trained).toContain(`cannot save ${recipe}: the command reads that file`);
  });

  it('by adapt and train: a checkpoint, which is removed at the end, in the place of the result or of an input', async () => {
    const weights = kept(join(folder, 'start.safetensors'), readFileSync(tiny));
    const recipe = kept(join(folder, 'recipe.json'), '{}');
    const place = mkdtempSync(join(folder, 'place-'));
    mkdirSync(join(place, 'real'));
    symlinkSync('real', join(place, 'linked'));
    const result = join(place, 'real', 'new.safetensors');
    const adapt = (checkpoint: string) =>
      refusal('adapt', weights, '--images', nowhere, '--output', result, '--checkpoint', checkpoint);
    const [asResult, linked, asInput, trained, noFolder] = await Promise.all([
      adapt(result),
      adapt(join(place, 'linked', 'new.safetensors')),
      adapt(weights),
      refusal('train', recipe, '--output', result, '--checkpoint', recipe),
      adapt(join(nowhere, 'x.state')),
    ]);
    for (const message of [asResult, linked]) expect(message).toContain('the command saves its result there');
    for (const message of [asInput, trained]) expect(message).toContain('the command reads that file');
    expect(noFolder).toContain(`the folder ${nowhere}: there is no such folder`);
    expect(readFileSync(weights)).toEqual(readFileSync(tiny));
  });

  it('by fovea export: the notebook, also when forced', async () => {
    const content = JSON.stringify({ nbformat: 4, nbformat_minor: 5, metadata: {}, cells: [] });
    const notebook = kept(join(folder, 'work.ipynb'), content);
    const message = await refusal('export', notebook, '--output', notebook, '--force');
    expect(message).toContain(`cannot save ${notebook}: it is the notebook itself`);
    expect(readFileSync(notebook, 'utf8')).toBe(content);
  });

  it('by fovea sweep: its own space, a notebook', async () => {
    const space = kept(join(folder, 'space.json'), JSON.stringify({ name: 'x', kind: 'measure' }));
    const notebook = kept(join(folder, 'a.ipynb'), '{\n "cells": []\n}');
    const [itself, other] = await Promise.all([
      refusal('sweep', space, '--out', space),
      refusal('sweep', space, '--out', notebook),
    ]);
    expect(itself).toContain(`cannot save ${space}: the command reads that file`);
    expect(other).toContain(`${notebook} exists and is not the records of a sweep`);
    expect(readFileSync(notebook, 'utf8')).toContain('cells');
  });
});

it('fovea lab says that the folder which it was started in is gone', () => {
  const gone = join(folder, 'gone');
  mkdirSync(gone);
  const script = 'cd "$1" && rmdir "$1" && exec "$2" "$3" lab --no-browser';
  const { status, stderr } = spawnSync('sh', ['-c', script, 'sh', gone, process.execPath, entry], {
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([
    1,
    'fovea: the folder that this was started in is gone: change to another one\n',
  ]);
});
