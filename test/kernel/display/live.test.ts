import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as engine from '@fovea/engine';
import { blocksOf, builtNetwork, loadNetwork, type Network } from '@fovea/engine';
import { networkShapes } from '@fovea/engine/backend';
import { storeCalibration } from '@fovea/engine/predict';
import type { LiveReply, LiveState, MasksDocument } from '@fovea/kernel';
import * as kernel from '@fovea/kernel';
import { transformSync } from '@swc/wasm-typescript';
import { encode } from 'fast-png';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { nativeAmounts } from '../../../engine/src/predict/program-cost/describer.js';
import { LiveLibrary, offeredArchitectures } from '../../../kernel/src/display/live/library.js';
import { LiveSession } from '../../../kernel/src/display/live/session.js';
import { decodePng } from '../../../kernel/src/display/picture.js';
import { useDataFolder } from '../../support/data-folder.js';

const checkpoint = fileURLToPath(new URL('../../fixtures/lasnet-tiny.safetensors', import.meta.url));

useDataFolder();

let directory: string;
let tiny: Network;
let library: LiveLibrary;
let session: LiveSession;
let replies: LiveReply[];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fovea-live-'));
  const data = new Uint8Array(30 * 20 * 3).fill(200);
  writeFileSync(join(directory, 'mine.png'), encode({ width: 30, height: 20, channels: 3, data }));
  writeFileSync(join(directory, 'broken.png'), 'not a picture');
  tiny = await loadNetwork(checkpoint);
});

afterAll(() => rmSync(directory, { recursive: true }));

beforeEach(() => {
  library = new LiveLibrary(directory);
  library.add({ networks: { tiny } });
  replies = [];
  session = new LiveSession(library, (reply) => replies.push(reply));
});

/** The last reply of a kind; an error reply fails the test with its message. */
function last<Type extends LiveReply['type']>(type: Type): Extract<LiveReply, { type: Type }> {
  const error = replies.find((reply) => reply.type === 'error');
  if (error !== undefined && type !== 'error') throw new Error(error.message);
  const found = replies.findLast((reply) => reply.type === type);
  if (found === undefined)
    throw new Error(`no ${type} among ${replies.map((reply) => reply.type).join(', ')}`);
  return found as Extract<LiveReply, { type: Type }>;
}

async function initialState(): Promise<LiveState> {
  await session.receive({ type: 'hello' });
  return { ...last('catalogue').catalogue.state, device: 'cpu-avx2', threads: 1 };
}

/** A region of 4 by 4 with its top left quarter painted. */
const quarter = { rows: 4, columns: 4, cells: '1100110000000000' };

describe('the catalogue', () => {
  it('offers one’s own networks first, then what is shipped and known architectures', async () => {
    await session.receive({ type: 'hello' });
    const { networks, images, devices, strategies, state } = last('catalogue').catalogue;
    expect(networks[0]).toMatchObject({ name: 'tiny', learned: true });
    expect(networks[0]!.maps).toHaveLength(networks[0]!.stages);
    expect(networks.map((network) => network.name)).toEqual(expect.arrayContaining(['resnet18', 'resnet50']));
    expect(devices).toContainEqual({ name: 'v100', kind: 'other' });
    expect(devices).toContainEqual({ name: 'cpu-avx2', kind: 'generic-cpu' });
    expect(strategies).toEqual(expect.arrayContaining(['dense', 'lasnet', 'streamed', 'auto']));
    expect(state).toMatchObject({ network: 'tiny', masker: 'learned', image: images[0]!.name });
    expect(state.granularity).toHaveLength(networks[0]!.stages);
  });

  it('shows the samples and the pictures beside the notebook; broken files are left out', async () => {
    await session.receive({ type: 'hello' });
    const { images } = last('catalogue').catalogue;
    expect(images.map((image) => image.name)).toEqual([...kernel.sampleImageNames, 'mine.png']);
    for (const { png } of images) expect(decodePng(Buffer.from(png, 'base64')).width).toBeGreaterThan(100);
  });

  it('is sent in order: an older one that took longer never hides what was added', async () => {
    let made = 0;
    class Delayed extends LiveLibrary {
      override async catalogue() {
        const isFirst = made++ === 0;
        const catalogue = await super.catalogue();
        if (isFirst) await new Promise((resolve) => setTimeout(resolve, 200));
        return catalogue;
      }
    }
    const delayed = new Delayed(directory);
    const panel = new LiveSession(delayed, (reply) => replies.push(reply));
    const greeted = panel.receive({ type: 'hello' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    delayed.add({ networks: { tiny } });
    await Promise.all([greeted, panel.sendCatalogue()]);
    expect(replies.filter(({ type }) => type === 'catalogue')).toHaveLength(2);
    expect(last('catalogue').catalogue.networks[0]).toMatchObject({ name: 'tiny' });
  });

  it('gives the maps of architectures as the networks themselves do', () => {
    for (const [name, sides] of Object.entries(offeredArchitectures)) {
      const network = builtNetwork(name);
      const { height, width } = network.inputShape;
      const shapes = networkShapes(network, { batch: 1, height, width });
      const maps = sides.map((_, stage) => {
        const block = blocksOf(network).findLast((candidate) => candidate.stage === stage)!;
        return shapes.blocks[block.index]!.outHeight;
      });
      expect(maps, name).toEqual(sides);
      expect(Math.max(...blocksOf(network).map((block) => block.stage)) + 1).toBe(sides.length);
    }
  }, 120_000);
});

describe('calibrating', () => {
  it('reports progress, offers this machine, and says that it is done', async () => {
    let ended = false;
    const calibrating = new LiveSession(
      library,
      (reply) => replies.push(reply),
      async ({ onProgress }) => {
        onProgress!(0.5, 'convolutions');
        ended = true;
      },
    );
    await calibrating.receive({ type: 'calibrate', serial: 4 });
    expect(ended).toBe(true);
    expect(replies.map(({ type }) => type)).toEqual(['progress', 'catalogue', 'calibrated']);
    expect(last('progress')).toMatchObject({ serial: 4, fraction: 0.5, name: 'convolutions' });
    expect(last('calibrated')).toEqual({ type: 'calibrated', serial: 4, device: 'this-machine' });
  });

  it('stops when it is cancelled, without a word', async () => {
    const calibrating = new LiveSession(
      library,
      (reply) => replies.push(reply),
      ({ signal }) =>
        new Promise((_, reject) => {
          signal!.addEventListener('abort', () => reject(new Error('aborted')));
        }),
    );
    const done = calibrating.receive({ type: 'calibrate', serial: 1 });
    await calibrating.receive({ type: 'cancel' });
    await done;
    expect(replies).toEqual([]);
  });
});

describe('predicting', () => {
  const predictedMs = async (state: LiveState) => {
    await session.receive({ type: 'predict', serial: 1, state });
    return last('prediction').profile.totalMs;
  };

  it('answers with the request’s serial, beside the dense network on the same device', async () => {
    const state = await initialState();
    await session.receive({ type: 'predict', serial: 7, state });
    const { serial, profile, dense } = last('prediction');
    expect(serial).toBe(7);
    expect(profile).toMatchObject({ origin: 'predicted', device: 'cpu-avx2', strategy: 'streamed' });
    expect(dense.strategy).toBe('dense');
    expect(profile.blocks).toHaveLength(blocksOf(tiny).length);
  });

  it('follows the rate, and the region that was painted', async () => {
    const state: LiveState = { ...(await initialState()), masker: 'random' };
    expect(await predictedMs({ ...state, rate: 0.1 })).toBeLessThan(
      await predictedMs({ ...state, rate: 0.9 }),
    );
    const painted: LiveState = { ...state, masker: 'painted', region: quarter };
    const all = { ...quarter, cells: '1'.repeat(16) };
    expect(await predictedMs(painted)).toBeLessThan(await predictedMs({ ...painted, region: all }));
    const { profile } = last('prediction');
    expect(profile.blocks.every((block) => block.rate === 1)).toBe(true);
  });

  it('compares with the dense network on this machine as it was calibrated last, by whomever', async () => {
    const calibrate = (multiplyAdds: number) => {
      const costs = Object.fromEntries((nativeAmounts() ?? []).map(({ name }) => [name, 0]));
      const fit = { threads: 1, costs: { ...costs, multiplyAdds }, runMs: 0, medianError: 0, samples: 1 };
      const machine = { nearBytes: 2 ** 19, farBytes: 2 ** 25 };
      const calibration = { kind: 'native', isa: 'avx2', machine, fits: [fit] } as const;
      storeCalibration({ ...engine.getDevice('cpu-avx2'), name: 'this-machine', calibration }, 'avx2');
    };
    const state: LiveState = { ...(await initialState()), device: 'this-machine', threads: 1 };
    const denseMs = async () => {
      await session.receive({ type: 'predict', serial: 1, state });
      return last('prediction').dense.totalMs;
    };
    calibrate(1e-6);
    const before = await denseMs();
    calibrate(2e-6);
    expect((await denseMs()) / before).toBeCloseTo(2, 6);
  });
});

describe('running', () => {
  it('reports progress and ends with masks, measurement and prediction', async () => {
    const state = await initialState();
    await session.receive({ type: 'run', serial: 3, state });
    const result = last('result');
    expect(result.serial).toBe(3);
    expect(result.measured.origin).toBe('measured');
    expect(result.predicted).toMatchObject({ origin: 'predicted', device: 'cpu-avx2' });
    expect(result.masks.images).toHaveLength(1);
    expect(result.masks.images[0]!.name).toBe(state.image);
    expect(replies.some((reply) => reply.type === 'progress' && reply.serial === 3)).toBe(true);
  });

  it('measures more than once, and answers once', async () => {
    const state: LiveState = { ...(await initialState()), masker: 'random', rate: 0.25 };
    await session.receive({ type: 'run', serial: 1, state });
    const { measured, masks } = last('result');
    expect(replies.filter((reply) => reply.type === 'result')).toHaveLength(1);
    expect(measured.blocks.map((block) => block.rate)).toEqual(
      masks.images[0]!.blocks.map((block) => block.rate),
    );
  });

  it('computes exactly where the region was painted', async () => {
    const state: LiveState = { ...(await initialState()), masker: 'painted', region: quarter };
    await session.receive({ type: 'run', serial: 1, state });
    for (const { cells, rows, columns } of last('result').masks.images[0]!.blocks) {
      const expected = Array.from({ length: rows * columns }, (_, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        // The painted quarter reaches to the middle: cells that begin before it are touched.
        return row / rows < 0.5 && column / columns < 0.5 ? '1' : '0';
      }).join('');
      expect(cells).toBe(expected);
    }
  });

  it('predicts with the masks that a learned masker chose, once it has run', async () => {
    const state = await initialState();
    await session.receive({ type: 'run', serial: 1, state });
    await session.receive({ type: 'predict', serial: 2, state });
    const chosen = last('result').masks.images[0]!.blocks.map((block) => block.rate);
    expect(last('prediction').profile.blocks.map((block) => block.rate)).toEqual(chosen);
  });

  it('stops when it is cancelled, and says nothing more of that run', async () => {
    const state: LiveState = {
      ...(await initialState()),
      network: 'resnet18',
      masker: 'saliency',
      granularity: [8, 4, 2, 1],
    };
    const running = session.receive({ type: 'run', serial: 5, state });
    await session.receive({ type: 'cancel' });
    await running;
    expect(replies.map((reply) => reply.type)).toEqual(['catalogue']);
  });

  it('gives an old run up for a new one', async () => {
    const state = await initialState();
    await Promise.all([
      session.receive({ type: 'run', serial: 1, state }),
      session.receive({ type: 'run', serial: 2, state }),
    ]);
    const ended = replies.filter((reply) => reply.type === 'result' || reply.type === 'error');
    expect(ended.map((reply) => [reply.type, reply.serial])).toEqual([['result', 2]]);
  });

  it('sends nothing after the panel has gone', async () => {
    const state = await initialState();
    const running = session.receive({ type: 'run', serial: 1, state });
    session.dispose();
    const before = replies.length;
    await running;
    expect(replies).toHaveLength(before);
  });
});

describe('what has changed since it was used', () => {
  it('is another network under the same name, predicted without the masks of the one before', async () => {
    const state = await initialState();
    await session.receive({ type: 'run', serial: 1, state });
    await session.receive({ type: 'predict', serial: 2, state });
    const other = builtNetwork('resnet18');
    library.add({ networks: { tiny: other } });
    const changed: LiveState = { ...state, granularity: [4, 2, 1, 1], masker: 'random' };
    await session.receive({ type: 'predict', serial: 3, state: changed });
    const { profile, dense } = last('prediction');
    expect(profile.blocks).toHaveLength(blocksOf(other).length);
    expect(dense.blocks).toHaveLength(blocksOf(other).length);
  });

  it('is a picture beside the notebook: it is read again, and what was chosen for the old one not assumed', async () => {
    const path = join(directory, 'edited.png');
    const write = (value: number, side: number) =>
      writeFileSync(
        path,
        encode({ width: side, height: side, channels: 3, data: new Uint8Array(side * side * 3).fill(value) }),
      );
    try {
      write(0, 40);
      const state = { ...(await initialState()), image: 'edited.png' };
      const before = await library.image('edited.png', tiny);
      expect(await library.image('edited.png', tiny)).toBe(before);
      await session.receive({ type: 'run', serial: 1, state });
      await session.receive({ type: 'predict', serial: 2, state });
      const assumed = last('prediction').profile.blocks.map((block) => block.rate);
      expect(assumed).toEqual(last('result').masks.images[0]!.blocks.map((block) => block.rate));
      write(255, 41);
      const after = await library.image('edited.png', tiny);
      expect(after.tensor.data[0]).toBeGreaterThan(before.tensor.data[0]!);
      await session.receive({ type: 'predict', serial: 3, state });
      expect(last('prediction').profile.blocks.map((block) => block.rate)).not.toEqual(assumed);
    } finally {
      rmSync(path);
    }
  });

  it('keeps no more images than it says', async () => {
    const networks = Array.from({ length: 40 }, (_, i) => ({
      ...tiny,
      inputShape: { ...tiny.inputShape, height: 32 + i, width: 32 },
    }));
    const first = await library.image('mine.png', networks[0]!);
    for (const network of networks) await library.image('mine.png', network);
    const again = await library.image('mine.png', networks[0]!);
    expect(again).not.toBe(first);
    expect(again).toEqual(first);
  });
});

describe('inserting a cell', () => {
  /** Runs a cell's source as a notebook would: imports from the packages, globals at hand. */
  async function execute(source: string): Promise<{ masks: MasksDocument; profiles: unknown[] }> {
    const shown: Record<string, unknown>[] = [];
    kernel.connectOutput({ display: ({ data }) => shown.push(data) });
    const js = transformSync(source, { mode: 'strip-only' }).code.replace(
      /import \{(.*?)\} from '@fovea\/engine';/,
      'const {$1} = engine;',
    );
    const AsyncFunction = (async () => undefined).constructor as FunctionConstructor;
    const here = process.cwd();
    process.chdir(directory);
    try {
      await (new AsyncFunction('engine', 'fovea', 'tiny', js)(
        engine,
        kernel.fovea,
        tiny,
      ) as unknown as Promise<void>);
    } finally {
      process.chdir(here);
    }
    const masks = shown.find((data) => kernel.MASKS_MIME in data)?.[kernel.MASKS_MIME] as MasksDocument;
    const latency = shown.find((data) => kernel.LATENCY_MIME in data)?.[kernel.LATENCY_MIME] as {
      views: { profiles: unknown[] }[];
    };
    return { masks, profiles: latency.views[0]!.profiles };
  }

  it.each<[string, Partial<LiveState>]>([
    ['learned masks', {}],
    ['a rate and another strategy', { masker: 'saliency', rate: 0.25, strategy: 'lasnet' }],
    ['a painted region', { masker: 'painted', region: quarter }],
    ['a picture beside the notebook', { image: 'mine.png', masker: 'random', rate: 0.75 }],
  ])('gives code that shows the same: %s', async (_, change) => {
    const state: LiveState = { ...(await initialState()), ...change };
    await session.receive({ type: 'run', serial: 1, state });
    await session.receive({ type: 'code', serial: 2, state });
    const { masks, profiles } = await execute(last('code').source);
    expect(masks.images).toEqual(last('result').masks.images);
    expect(profiles).toMatchObject([
      {
        origin: 'predicted',
        device: 'cpu-avx2',
        strategy: state.strategy,
        totalMs: last('result').predicted.totalMs,
      },
      { origin: 'measured', strategy: state.strategy },
    ]);
  });

  it('names where a network comes from', async () => {
    const state = {
      ...(await initialState()),
      network: 'resnet18',
      masker: 'saliency' as const,
      granularity: [8, 4, 2, 1],
    };
    await session.receive({ type: 'code', serial: 1, state });
    expect(last('code').source).toMatch(
      /^import \{ builtNetwork, predict, resolveMaskers, run \} from '@fovea\/engine';\n\nconst network = builtNetwork\('resnet18'\);/,
    );
  });
});

describe('what cannot be answered', () => {
  it.each<[string, unknown, RegExp]>([
    ['nothing', null, /request "undefined": hello, predict/],
    ['an unknown request', { type: 'dance' }, /request "dance": hello/],
    ['a request without a state', { type: 'predict', serial: 1 }, /no state/],
    [
      'a state with a hole',
      { type: 'run', serial: 1, state: { network: 'tiny' } },
      /image undefined: a name is accepted/,
    ],
  ])('is said: %s', async (_, request, message) => {
    await session.receive(request);
    expect(last('error').message).toMatch(message);
  });

  it.each<[string, Partial<LiveState>, RegExp]>([
    ['a network', { network: 'nowhere' }, /nowhere/],
    ['an image', { image: '../secret.png' }, /no image "\.\.\/secret\.png"/],
    ['a device', { device: 'abacus' }, /device 'abacus' is not known/],
    ['a strategy', { strategy: 'hope' }, /hope/],
    ['a rate', { rate: 7, masker: 'random' }, /rate 7/],
    ['a granularity', { granularity: [0] }, /granularity S = 0/],
    [
      'a region',
      { masker: 'painted', region: { rows: 2, columns: 2, cells: '01' } },
      /region .* as many cells/,
    ],
    ['threads', { threads: 0 }, /threads 0/],
  ])('is said by the name that is wrong: %s', async (_, change, message) => {
    const state = { ...(await initialState()), ...change } as LiveState;
    await session.receive({ type: 'run', serial: 9, state });
    expect(last('error')).toMatchObject({ serial: 9, message: expect.stringMatching(message) });
  });

  it('a network is not accepted in place of the networks', () => {
    expect(() => library.add(tiny as never)).toThrow(
      /a field "name": \{ networks: \{ network \} \} is accepted/,
    );
  });

  it('a network’s name must be one that code can say', () => {
    expect(() => library.add({ networks: { 'a; evil()': tiny } })).toThrow(/name of its variable/);
  });
});
