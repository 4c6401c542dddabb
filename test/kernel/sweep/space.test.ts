// @module-tag process
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePng, FoveaError, getStrategy, registerStrategy } from '@fovea/engine';
import { getBackend, registerBackend } from '@fovea/engine/backend';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkSpace } from '../../../kernel/src/sweep/space/check-space.js';
import { countPoints, expandSpace, questionAbout } from '../../../kernel/src/sweep/space/expand.js';
import type { SweepSpace } from '../../../kernel/src/sweep/space/space.js';
import { fixture } from '../cli/run-fovea.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-space-'));
beforeAll(() => {
  process.env.FOVEA_DATA_DIR = join(folder, 'data');
});
afterAll(() => {
  delete process.env.FOVEA_DATA_DIR;
  rmSync(folder, { recursive: true });
});

const expand = (space: SweepSpace) => expandSpace(checkSpace(space), '1.0.0');
const pointsOf = async (space: SweepSpace) => (await expand(space)).points.map(({ point }) => point);

describe('a space', () => {
  it('is the product of its lists', async () => {
    const space: SweepSpace = {
      name: 'first',
      networks: ['quick-look'],
      granularities: [4, [8, 4, 7, 1]],
      rates: [0.25, 0.5, 1],
      strategies: ['streamed', 'lasnet'],
      maskers: ['random'],
      where: [{}],
      repeats: 2,
    };
    expect(countPoints(space)).toBe(24);
    const { points } = await expand(space);
    expect(new Set(points.map(({ id }) => id)).size).toBe(24);
    expect(points[0]).toEqual({
      id: expect.stringMatching(/^p[0-9a-f]{24}$/),
      point: {
        kind: 'measure',
        network: 'quick-look',
        granularity: 4,
        strategy: 'streamed',
        masker: 'random',
        rate: 0.25,
        data: { seed: 77_000_001, images: 8 },
        where: {},
        repeat: 0,
      },
    });
  });

  it('has ids by what a point is, its sweep and the engine, and by nothing else', async () => {
    const ids = async (space: SweepSpace, engine = '1.0.0') =>
      (await expandSpace(checkSpace(space), engine)).points.map(({ id }) => id);
    const space = { name: 'a', networks: ['quick-look'], rates: [0.5, 0.25] };
    const known = await ids(space);
    expect(await ids({ rates: [0.25, 0.5], networks: ['quick-look'], name: 'a' })).toEqual(
      known.toReversed(),
    );
    expect(await ids({ ...space, name: 'b' })).not.toEqual(known);
    expect(await ids(space, '1.0.1')).not.toEqual(known);
  });

  it('makes one point of learned masks, whatever rates there are', async () => {
    const points = await pointsOf({
      networks: ['quick-look'],
      maskers: ['learned', 'random'],
      rates: [0.25, 0.5],
    });
    expect(points.map(({ masker, rate }) => [masker, rate])).toEqual([
      ['learned', undefined],
      ['random', 0.25],
      ['random', 0.5],
    ]);
    const [first] = await pointsOf({ networks: ['quick-look'], rates: [0.25] });
    expect(first).toMatchObject({ masker: 'saliency', rate: 0.25 });
  });

  it('has FLOPs and steps for maskers that are learned', async () => {
    const points = await pointsOf({ kind: 'adapt', networks: ['quick-look'], flops: [0.4, 0.6], steps: 5 });
    expect(points.map(({ flops, steps, rate, data }) => [flops, steps, rate, data])).toEqual([
      [0.4, 5, undefined, { seed: 77_000_001, images: 64 }],
      [0.6, 5, undefined, { seed: 77_000_001, images: 64 }],
    ]);
    const fitted = await pointsOf({ kind: 'fit', networks: ['quick-look'], flops: [0.5] });
    expect(fitted).toMatchObject([{ kind: 'fit', flops: 0.5 }]);
  });

  it('names a network that comes from a file by its content', async () => {
    const { points, materials } = await expand({ networks: [fixture('lasnet-tiny.safetensors')] });
    expect(points[0]!.point).toMatchObject({ network: 'lasnet-tiny', sha256: materials[0]!.sha256 });
    expect(materials[0]!.files.map(({ name }) => name)).toEqual([
      'lasnet-tiny.safetensors',
      'lasnet-tiny.json',
    ]);
  });

  it('cuts an evaluation into shards: of drawn images, or of a manifest of a folder', async () => {
    const drawn = await pointsOf({
      kind: 'evaluate',
      networks: ['quick-look'],
      data: { images: 10, shard: 4 },
    });
    expect(drawn.map(({ data }) => data)).toEqual(
      [4, 4, 2].map((images, i) => ({ images, seed: 77_000_001 + i })),
    );
    const images = join(folder, 'images');
    const png = await encodePng({ width: 2, height: 2, channels: 3, data: new Uint8Array(12) });
    for (const name of ['cat', 'dog']) {
      mkdirSync(join(images, name), { recursive: true });
      for (const i of [0, 1, 2]) writeFileSync(join(images, name, `${i}.png`), png);
    }
    const listed = await expand({
      kind: 'evaluate',
      networks: ['quick-look'],
      data: { folder: images, shard: 4 },
    });
    const manifest = listed.materials[0]!.sha256;
    expect(listed.points.map(({ point }) => point.data)).toEqual([
      { manifest, from: 0, to: 4 },
      { manifest, from: 4, to: 6 },
    ]);
  });

  it('is asked about when it has no points or very many, without being opened', () => {
    expect(questionAbout({ name: 'none', networks: ['quick-look'], rates: [] })).toMatch(
      /none has no points, because rates is an empty list/,
    );
    expect(questionAbout({ name: 'many', networks: ['quick-look'], repeats: 1_000_000 })).toMatch(
      /many has 1,000,000 points/,
    );
    expect(questionAbout({ networks: ['quick-look'], repeats: 10_000 })).toBeUndefined();
  });

  it('refuses strategies and backends that only this process has: points run in others', () => {
    const check = (axes: object) => () => checkSpace({ networks: ['quick-look'], ...axes });
    registerStrategy({ ...getStrategy('streamed'), name: 'mine' });
    expect(check({ strategies: ['mine'] })).toThrow(
      /^strategies\[0\] "mine": this strategy was registered in this process, and points run in others, which do not have it; dense, unfused, lasnet, streamed, auto is accepted/,
    );
    expect(check({ strategies: ['lasnet', 'auto'] })).not.toThrow();
    registerBackend({ ...getBackend('reference'), name: 'mine' });
    expect(check({ backends: ['mine'] })).toThrow(/this backend was registered in this process/);
    expect(check({ backends: ['reference'] })).not.toThrow();
  });

  it.each<[unknown, RegExp]>([
    [[], /a sweep \[\]: an object/],
    [{}, /networks: a sweep needs/],
    [{ networks: ['quick-look'], rate: [1] }, /field "rate" of a sweep: name, kind/],
    [{ networks: 'quick-look' }, /networks "quick-look": a list/],
    [{ networks: ['quick-look'], rates: [1.5] }, /1\.5/],
    [{ networks: ['quick-look'], rates: ['0.5'] }, /rates\[0\] "0.5": a number from 0 to 1/],
    [{ networks: ['quick-look'], granularities: [0] }, /S = 0/],
    [{ networks: ['quick-look'], threads: [257] }, /threads\[0\] 257: an integer from 1 to 256/],
    [{ networks: ['quick-look'], strategies: ['fast'] }, /strategies\[0\] "fast": dense/],
    [{ networks: ['quick-look'], maskers: ['fixed'] }, /maskers\[0\] "fixed": learned, saliency, random/],
    [{ networks: ['quick-look'], where: [{ host: 1 }] }, /where\[0\]/],
    [{ networks: ['quick-look'], name: '../x' }, /sweep name "..\/x"/],
    [{ networks: ['quick-look'], repeats: 0 }, /repeats 0: an integer of at least 1/],
    [{ networks: ['quick-look'], kind: 'train' }, /kind "train": measure, evaluate, fit, adapt, calibrate/],
    [{ networks: ['quick-look'], flops: [0.5] }, /flops: points of kind measure have no use/],
    [{ kind: 'adapt', networks: ['quick-look'], flops: [0] }, /flops\[0\] 0: a number above 0/],
    [{ kind: 'adapt', networks: ['quick-look'], steps: 0 }, /steps 0: an integer of at least 1/],
    [{ kind: 'adapt', networks: ['quick-look'], rates: [0.5] }, /rates: points of kind adapt/],
    [{ kind: 'fit', networks: ['quick-look'], flops: [0.5], rates: [0.5] }, /flops: replaces rates/],
    [{ kind: 'calibrate', rates: [0.5] }, /rates: points of kind calibrate have no use/],
    [{ networks: ['quick-look'], data: { shard: 4 } }, /data.shard: points of kind measure/],
    [
      { kind: 'evaluate', networks: ['quick-look'], data: { folder: 'x', seed: 1 } },
      /data.seed: is for drawn/,
    ],
  ])('is refused when it is %j', (space, message) => {
    expect(() => checkSpace(space)).toThrow(FoveaError);
    expect(() => checkSpace(space)).toThrow(message);
  });

  it.each<[SweepSpace, RegExp]>([
    [{ networks: ['no-such-network'] }, /"no-such-network" is neither a file/],
    [{ networks: ['sha256:0123456789'] }, /sha256:0123456789: none of the networks that sweeps have kept/],
    [{ networks: ['sha256:../../x'] }, /sha256:\.\.\/\.\.\/x: none of the networks/],
    [{ networks: ['./missing.onnx'] }, /missing\.onnx/],
    [{ networks: ['quick-look'], granularities: [[1, 2, 3]] }, /granularity \[1,2,3\] for quick-look/],
    [{ networks: ['quick-look', 'resnet18'], maskers: ['learned'] }, /masker "learned": block 0 .*resnet18/],
    [{ networks: ['quick-look'], data: { folder: './nowhere' } }, /cannot read the folder .*nowhere/],
  ])('is refused when what it names does not fit: %j', async (space, message) => {
    await expect(expand(space)).rejects.toThrow(message);
  });
});
