import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as engine from '@fovea/engine';
import { blocksOf, builtNetwork } from '@fovea/engine';
import { networkShapes } from '@fovea/engine/backend';
import { calibrationLock } from '@fovea/engine/internal';
import { storeCalibration } from '@fovea/engine/predict';
import type { LiveState } from '@fovea/kernel';
import * as kernel from '@fovea/kernel';
import { encode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { runningIsa } from '../../../engine/src/backends/native/addon.js';
import { nativeAmounts } from '../../../engine/src/predict/program-cost/describer.js';
import { LiveLibrary, offeredArchitectures } from '../../../kernel/src/display/live/library.js';
import { LiveSession } from '../../../kernel/src/display/live/session.js';
import { decodePng } from '../../../kernel/src/display/picture.js';
import { useDataFolder } from '../../support/data-folder.js';
import { quarter, useLivePanel } from './live-panel.js';

useDataFolder();
const live = useLivePanel();

describe('the catalogue', () => {
  it('offers one’s own networks first, then what is shipped and known architectures', async () => {
    await live.session.receive({ type: 'hello' });
    const { networks, images, devices, strategies, state } = live.last('catalogue').catalogue;
    expect(networks[0]).toMatchObject({ name: 'tiny', learned: true });
    expect(networks[0]!.maps).toHaveLength(networks[0]!.stages);
    expect(networks.map((network) => network.name)).toEqual(expect.arrayContaining(['resnet18', 'resnet50']));
    expect(devices).toContainEqual({ name: 'v100', kind: 'other' });
    expect(devices).toContainEqual({ name: 'cpu-avx2', kind: 'generic-cpu' });
    expect(strategies).toEqual(expect.arrayContaining(['dense', 'lasnet', 'streamed', 'auto']));
    expect(state).toMatchObject({ network: 'tiny', masker: 'learned', image: images[0]!.name });
    expect(state.granularity).toHaveLength(networks[0]!.stages);
  });

  it('shows the samples and the pictures beside the notebook, and says of broken files why they are left out', async () => {
    await live.session.receive({ type: 'hello' });
    const { images, refusedImages } = live.last('catalogue').catalogue;
    expect(images.map((image) => image.name)).toEqual([...kernel.sampleImageNames, 'mine.png']);
    for (const { png } of images) expect(decodePng(Buffer.from(png, 'base64')).width).toBeGreaterThan(100);
    expect(refusedImages).toEqual([
      { name: 'broken.png', reason: expect.stringMatching(/^broken\.png is not a readable image: /) },
    ]);
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
    const delayed = new Delayed(live.directory);
    const panel = new LiveSession(delayed, (reply) => live.replies.push(reply));
    const greeted = panel.receive({ type: 'hello' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    delayed.add({ networks: { tiny: live.tiny } });
    await Promise.all([greeted, panel.sendCatalogue()]);
    expect(live.replies.filter(({ type }) => type === 'catalogue')).toHaveLength(2);
    expect(live.last('catalogue').catalogue.networks[0]).toMatchObject({ name: 'tiny' });
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
      live.library,
      (reply) => live.replies.push(reply),
      async ({ onProgress }) => {
        onProgress!(0.5, 'convolutions');
        ended = true;
      },
    );
    await calibrating.receive({ type: 'calibrate', serial: 4 });
    expect(ended).toBe(true);
    expect(live.replies.map(({ type }) => type)).toEqual(['progress', 'catalogue', 'calibrated']);
    expect(live.last('progress')).toMatchObject({ serial: 4, fraction: 0.5, name: 'convolutions' });
    expect(live.last('calibrated')).toEqual({ type: 'calibrated', serial: 4, device: 'this-machine' });
  });

  it('stops when it is cancelled, without a word', async () => {
    const calibrating = new LiveSession(
      live.library,
      (reply) => live.replies.push(reply),
      ({ signal }) =>
        new Promise((_, reject) => {
          signal!.addEventListener('abort', () => reject(new Error('aborted')));
        }),
    );
    const done = calibrating.receive({ type: 'calibrate', serial: 1 });
    await calibrating.receive({ type: 'cancel' });
    await done;
    expect(live.replies).toEqual([]);
  });
});

describe('two calibrations at once, which would measure each other', () => {
  it('are refused while another process calibrates, with its number', async () => {
    const lock = calibrationLock();
    mkdirSync(process.env.FOVEA_DATA_DIR!, { recursive: true });
    writeFileSync(lock, `${process.pid}\n`);
    try {
      await live.session.receive({ type: 'calibrate', serial: 5 });
    } finally {
      rmSync(lock);
    }
    expect(live.last('error').message).toBe(
      `a calibration is under way in process ${process.pid}; one at a time is accepted`,
    );
  });

  it('of one panel are done one after the other', async () => {
    const steps: string[] = [];
    let begin: () => void = () => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    const calibrating = new LiveSession(
      live.library,
      (reply) => live.replies.push(reply),
      async ({ signal }) => {
        const name = steps.length === 0 ? 'first' : 'second';
        steps.push(`${name} begins`);
        begin();
        if (name === 'first') {
          await new Promise((resolve) => signal!.addEventListener('abort', resolve));
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        steps.push(`${name} ends`);
      },
    );
    const first = calibrating.receive({ type: 'calibrate', serial: 1 });
    await begun;
    await calibrating.receive({ type: 'calibrate', serial: 2 });
    await first;
    expect(steps).toEqual(['first begins', 'first ends', 'second begins', 'second ends']);
    expect(live.last('calibrated').serial).toBe(2);
  });
});

describe('predicting', () => {
  const predictedMs = async (state: LiveState) => {
    await live.session.receive({ type: 'predict', serial: 1, state });
    return live.last('prediction').profile.totalMs;
  };

  it('answers with the request’s serial, beside the dense network on the same device', async () => {
    const state = await live.initialState();
    await live.session.receive({ type: 'predict', serial: 7, state });
    const { serial, profile, dense } = live.last('prediction');
    expect(serial).toBe(7);
    expect(profile).toMatchObject({ origin: 'predicted', device: 'cpu-avx2', strategy: 'streamed' });
    expect(dense.strategy).toBe('dense');
    expect(profile.blocks).toHaveLength(blocksOf(live.tiny).length);
  });

  it('follows the rate, and the region that was painted', async () => {
    const state: LiveState = { ...(await live.initialState()), masker: 'random' };
    expect(await predictedMs({ ...state, rate: 0.1 })).toBeLessThan(
      await predictedMs({ ...state, rate: 0.9 }),
    );
    const painted: LiveState = { ...state, masker: 'painted', region: quarter };
    const all = { ...quarter, cells: '1'.repeat(16) };
    expect(await predictedMs(painted)).toBeLessThan(await predictedMs({ ...painted, region: all }));
    const { profile } = live.last('prediction');
    expect(profile.blocks.every((block) => block.rate === 1)).toBe(true);
  });

  it('compares with the dense network on this machine as it was calibrated last, by whomever', async () => {
    const calibrate = (multiplyAdds: number) => {
      const costs = Object.fromEntries((nativeAmounts() ?? []).map(({ name }) => [name, 0]));
      const fit = {
        threads: 1,
        costs: { ...costs, multiplyAdds },
        runMs: 0,
        runShare: 0,
        runByteMs: 0,
        medianError: 0,
        samples: 1,
      };
      const isa = runningIsa() ?? 'portable';
      const machine = { nearBytes: 2 ** 19, farBytes: 2 ** 25 };
      const calibration = { kind: 'native', isa, machine, fits: [fit] } as const;
      storeCalibration({ ...engine.getDevice('cpu-avx2'), name: 'this-machine', calibration }, isa);
    };
    const state: LiveState = { ...(await live.initialState()), device: 'this-machine', threads: 1 };
    const denseMs = async () => {
      await live.session.receive({ type: 'predict', serial: 1, state });
      return live.last('prediction').dense.totalMs;
    };
    calibrate(1e-6);
    const before = await denseMs();
    calibrate(2e-6);
    expect((await denseMs()) / before).toBeCloseTo(2, 6);
  });
});

describe('running', () => {
  it('reports progress and ends with masks, measurement and prediction', async () => {
    const state = await live.initialState();
    await live.session.receive({ type: 'run', serial: 3, state });
    const result = live.last('result');
    expect(result.serial).toBe(3);
    expect(result.measured.origin).toBe('measured');
    expect(result.predicted).toMatchObject({ origin: 'predicted', device: 'cpu-avx2' });
    expect(result.masks.images).toHaveLength(1);
    expect(result.masks.images[0]!.name).toBe(state.image);
    expect(live.replies.some((reply) => reply.type === 'progress' && reply.serial === 3)).toBe(true);
  });

  it('measures more than once, and answers once', async () => {
    const state: LiveState = { ...(await live.initialState()), masker: 'random', rate: 0.25 };
    await live.session.receive({ type: 'run', serial: 1, state });
    const { measured, masks } = live.last('result');
    expect(live.replies.filter((reply) => reply.type === 'result')).toHaveLength(1);
    expect(measured.blocks.map((block) => block.rate)).toEqual(
      masks.images[0]!.blocks.map((block) => block.rate),
    );
  });

  it('computes exactly where the region was painted', async () => {
    const state: LiveState = { ...(await live.initialState()), masker: 'painted', region: quarter };
    await live.session.receive({ type: 'run', serial: 1, state });
    for (const { cells, rows, columns } of live.last('result').masks.images[0]!.blocks) {
      const expected = Array.from({ length: rows * columns }, (_, i) => {
        const [row, column] = [Math.floor(i / columns), i % columns];
        // The painted quarter reaches to the middle: cells that begin before it are touched.
        return row / rows < 0.5 && column / columns < 0.5 ? '1' : '0';
      }).join('');
      expect(cells).toBe(expected);
    }
  });

  it('predicts with the masks that a learned masker chose, once it has run', async () => {
    const state = await live.initialState();
    await live.session.receive({ type: 'run', serial: 1, state });
    await live.session.receive({ type: 'predict', serial: 2, state });
    const chosen = live.last('result').masks.images[0]!.blocks.map((block) => block.rate);
    expect(live.last('prediction').profile.blocks.map((block) => block.rate)).toEqual(chosen);
  });

  it('stops when it is cancelled, and says nothing more of that run', async () => {
    const state: LiveState = {
      ...(await live.initialState()),
      network: 'resnet18',
      masker: 'saliency',
      granularity: [8, 4, 2, 1],
    };
    const running = live.session.receive({ type: 'run', serial: 5, state });
    await live.session.receive({ type: 'cancel' });
    await running;
    expect(live.replies.map((reply) => reply.type)).toEqual(['catalogue']);
  });

  it('gives an old run up for a new one', async () => {
    const state = await live.initialState();
    await Promise.all([
      live.session.receive({ type: 'run', serial: 1, state }),
      live.session.receive({ type: 'run', serial: 2, state }),
    ]);
    const ended = live.replies.filter((reply) => reply.type === 'result' || reply.type === 'error');
    expect(ended.map((reply) => [reply.type, reply.serial])).toEqual([['result', 2]]);
  });

  it('sends nothing after the panel has gone', async () => {
    const state = await live.initialState();
    const running = live.session.receive({ type: 'run', serial: 1, state });
    live.session.dispose();
    const before = live.replies.length;
    await running;
    expect(live.replies).toHaveLength(before);
  });
});

describe('what has changed since it was used', () => {
  it('is another network under the same name, predicted without the masks of the one before', async () => {
    const state = await live.initialState();
    await live.session.receive({ type: 'run', serial: 1, state });
    await live.session.receive({ type: 'predict', serial: 2, state });
    const other = builtNetwork('resnet18');
    live.library.add({ networks: { tiny: other } });
    const changed: LiveState = { ...state, granularity: [4, 2, 1, 1], masker: 'random' };
    await live.session.receive({ type: 'predict', serial: 3, state: changed });
    const { profile, dense } = live.last('prediction');
    expect(profile.blocks).toHaveLength(blocksOf(other).length);
    expect(dense.blocks).toHaveLength(blocksOf(other).length);
  });

  it('is a picture beside the notebook: it is read again, and what was chosen for the old one not assumed', async () => {
    const path = join(live.directory, 'edited.png');
    const write = (value: number, side: number) =>
      writeFileSync(
        path,
        encode({ width: side, height: side, channels: 3, data: new Uint8Array(side * side * 3).fill(value) }),
      );
    try {
      write(0, 40);
      const state = { ...(await live.initialState()), image: 'edited.png' };
      const before = await live.library.image('edited.png', live.tiny);
      expect(await live.library.image('edited.png', live.tiny)).toBe(before);
      await live.session.receive({ type: 'run', serial: 1, state });
      await live.session.receive({ type: 'predict', serial: 2, state });
      const assumed = live.last('prediction').profile.blocks.map((block) => block.rate);
      expect(assumed).toEqual(live.last('result').masks.images[0]!.blocks.map((block) => block.rate));
      write(255, 41);
      const after = await live.library.image('edited.png', live.tiny);
      expect(after.tensor.data[0]).toBeGreaterThan(before.tensor.data[0]!);
      await live.session.receive({ type: 'predict', serial: 3, state });
      expect(live.last('prediction').profile.blocks.map((block) => block.rate)).not.toEqual(assumed);
    } finally {
      rmSync(path);
    }
  });

  it('keeps no more images than it says', async () => {
    const networks = Array.from({ length: 40 }, (_, i) => ({
      ...live.tiny,
      inputShape: { ...live.tiny.inputShape, height: 32 + i, width: 32 },
    }));
    const first = await live.library.image('mine.png', networks[0]!);
    for (const network of networks) await live.library.image('mine.png', network);
    const again = await live.library.image('mine.png', networks[0]!);
    expect(again).not.toBe(first);
    expect(again).toEqual(first);
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
    await live.session.receive(request);
    expect(live.last('error').message).toMatch(message);
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
    const state = { ...(await live.initialState()), ...change } as LiveState;
    await live.session.receive({ type: 'run', serial: 9, state });
    expect(live.last('error')).toMatchObject({ serial: 9, message: expect.stringMatching(message) });
  });

  it('a network is not accepted in place of the networks', () => {
    expect(() => live.library.add(live.tiny as never)).toThrow(
      /a field "name": \{ networks: \{ network \} \} is accepted/,
    );
  });

  it('a network’s name must be one that code can say', () => {
    expect(() => live.library.add({ networks: { 'a; evil()': live.tiny } })).toThrow(/name of its variable/);
  });
});
