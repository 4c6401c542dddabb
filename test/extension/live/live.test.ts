import { describe, expect, it } from 'vitest';
import { axisTicks, chartBars } from '../../../extension/src/live/chart';
import { type LiveRequest, type LiveState, readReply } from '../../../extension/src/live/protocol';
import {
  brush,
  coverage,
  emptyRegion,
  readRegion,
  regionBlock,
  writeRegion,
} from '../../../extension/src/live/region';
import { Scheduler } from '../../../extension/src/live/scheduler';
import { granularities, normalized } from '../../../extension/src/live/state';
import {
  againstDense,
  deviceLabel,
  deviceSentence,
  noticeFor,
  predictionError,
} from '../../../extension/src/live/words';
import { sampleAnswers, tinyMasks } from '../support/samples';

const { catalogue, profile, dense } = sampleAnswers();
const state: LiveState = catalogue.state;
const at = (rate: number): LiveState => ({ ...state, rate });

/** A clock that a test moves. */
function fakeClock() {
  let now = 0;
  let ids = 0;
  const timers = new Map<number, { at: number; callback: () => void }>();
  return {
    setTimeout(callback: () => void, ms: number) {
      ids += 1;
      timers.set(ids, { at: now + ms, callback });
      return ids;
    },
    clearTimeout: (id: number) => void timers.delete(id),
    pass(ms: number) {
      now += ms;
      for (const [id, timer] of [...timers]) {
        if (timer.at > now || !timers.delete(id)) continue;
        timer.callback();
      }
    },
  };
}

function scheduler() {
  const sent: LiveRequest[] = [];
  const running: boolean[] = [];
  const clock = fakeClock();
  const made = new Scheduler({
    send: (request) => sent.push(request),
    runDelayMs: () => 300,
    onRunning: (is) => running.push(is),
    clock,
  });
  const last = () => sent.at(-1) as Extract<LiveRequest, { serial: number }>;
  return { made, sent, running, clock, last };
}

describe('predictions', () => {
  it('are asked for one at a time, and the latest state follows', () => {
    const { made, sent, last } = scheduler();
    for (const rate of [0.1, 0.2, 0.3, 0.4]) made.change(at(rate), false);
    expect(sent).toHaveLength(1);
    expect(made.predicted(last().serial)).toBe(true);
    expect(sent).toHaveLength(2);
    expect(last()).toMatchObject({ type: 'predict', state: { rate: 0.4 } });
    expect(made.predicted(last().serial)).toBe(true);
    expect(sent).toHaveLength(2);
  });

  it('take no answer but the one awaited', () => {
    const { made, last } = scheduler();
    made.change(at(0.1), false);
    expect(made.predicted(last().serial + 5)).toBe(false);
    expect(made.waiting).toBe(true);
  });

  it('go on after an error, and after an answer that never comes', () => {
    const { made, sent, last, clock } = scheduler();
    made.change(at(0.1), false);
    made.change(at(0.2), false);
    made.failed(last().serial);
    expect(sent).toHaveLength(2);
    made.change(at(0.3), false);
    clock.pass(20_000);
    expect(last()).toMatchObject({ state: { rate: 0.3 } });
  });
});

describe('measured runs', () => {
  it('wait until the controls rest, and run the state they rest at', () => {
    const { made, sent, clock, last } = scheduler();
    for (const rate of [0.1, 0.2, 0.3]) {
      made.change(at(rate), true);
      clock.pass(200);
    }
    expect(sent.some(({ type }) => type === 'run')).toBe(false);
    clock.pass(100);
    expect(last()).toMatchObject({ type: 'run', state: { rate: 0.3 } });
  });

  it('are given up by a change', () => {
    const { made, sent, clock, running } = scheduler();
    made.change(at(0.1), true);
    clock.pass(300);
    made.change(at(0.2), false);
    expect(sent.at(-1)).toEqual({ type: 'cancel' });
    expect(running).toEqual([true, false]);
  });

  it('end once, and an outdated result does not count', () => {
    const { made, last, running } = scheduler();
    made.run(at(0.1));
    const first = last().serial;
    made.run(at(0.2));
    expect(made.finished(first)).toBe(false);
    expect(made.finished(last().serial)).toBe(true);
    expect(made.finished(last().serial)).toBe(false);
    expect(running.at(-1)).toBe(false);
  });

  it('and predictions are forgotten when the comm is gone', () => {
    const { made, sent, clock, running } = scheduler();
    made.change(at(0.1), true);
    made.reset();
    clock.pass(20_000);
    expect(sent).toHaveLength(1);
    made.run(at(0.2));
    made.reset();
    expect(running).toEqual([true, false]);
  });
});

describe('the state of the controls', () => {
  it('fits the network: one S per stage, no larger than its map', () => {
    expect(
      normalized(catalogue, { ...state, network: 'small', granularity: [56, 56, 2, 1] }).granularity,
    ).toEqual([14, 7]);
    expect(normalized(catalogue, { ...state, granularity: [4] }).granularity).toEqual([4, 4, 4, 4]);
  });

  it('asks for learned masks only where there are some', () => {
    expect(normalized(catalogue, { ...state, network: 'resnet-50', masker: 'learned' }).masker).toBe(
      'saliency',
    );
    expect(normalized(catalogue, { ...state, masker: 'learned' }).masker).toBe('learned');
  });

  it('has a region for painted masks, if only an empty one', () => {
    expect(normalized(catalogue, { ...state, masker: 'painted' }).region).toEqual({
      rows: 1,
      columns: 1,
      cells: '0',
    });
    expect(normalized(catalogue, state).region).toBeUndefined();
  });

  it('takes the first of what is offered for a name that is not', () => {
    expect(
      normalized(catalogue, { ...state, network: 'gone', device: 'gone', image: 'gone', threads: 99 }),
    ).toMatchObject({
      network: 'lasnet-50',
      device: 'this-machine',
      image: 'ball-0.png',
      threads: 2,
    });
  });

  it('offers values of S that cut the map into whole cells, and the one in use', () => {
    const [network] = catalogue.networks;
    expect(granularities(network!, 0, 8)).toEqual([1, 2, 4, 7, 8, 14, 28, 56]);
    expect(granularities(network!, 3, 3)).toEqual([1, 3, 7]);
  });
});

describe('a painted region', () => {
  const region = emptyRegion(224, 112);

  it('has the image’s shape', () => {
    expect([region.rows, region.columns]).toEqual([28, 56]);
    expect(coverage(region)).toBe(0);
  });

  it('covers a disc below the brush, and a band along a stroke', () => {
    const disc = brush(region, { x: 0.5, y: 0.5 }, { x: 0.5, y: 0.5 }, 0.1);
    expect(coverage(disc) * 28 * 56).toBeCloseTo(Math.PI * 5.6 ** 2, -1);
    const band = brush(region, { x: 0.2, y: 0.5 }, { x: 0.8, y: 0.5 }, 0.1);
    expect(coverage(band)).toBeGreaterThan(coverage(disc) * 3);
    expect(coverage(region)).toBe(0);
  });

  it('always covers the cell below the brush, however small', () => {
    expect(coverage(brush(region, { x: 0.01, y: 0.01 }, { x: 0.01, y: 0.01 }, 0)) * 28 * 56).toBeCloseTo(1);
  });

  it('can be erased, also beyond the edge of the image', () => {
    const painted = brush(region, { x: 0.5, y: 0.5 }, { x: 1.5, y: 0.5 }, 0.2);
    const erased = brush(painted, { x: -0.5, y: 0.5 }, { x: 1.5, y: 0.5 }, 1, true);
    expect(coverage(erased)).toBe(0);
  });

  it('survives the protocol, and becomes a block that the overlay draws', () => {
    const painted = brush(region, { x: 0.3, y: 0.4 }, { x: 0.6, y: 0.4 }, 0.1);
    expect(readRegion(writeRegion(painted), 1, 1)).toEqual(painted);
    expect(regionBlock(painted)).toMatchObject({
      rows: 28,
      columns: 56,
      height: 28,
      width: 56,
      rate: coverage(painted),
    });
    expect(coverage(readRegion({ rows: 2, columns: 2, cells: '1' }, 224, 112))).toBe(0);
  });
});

describe('what the kernel sends', () => {
  const result = {
    type: 'result',
    serial: 2,
    masks: tinyMasks(),
    measured: profile,
    predicted: profile,
    dense,
  };

  it('is read when it follows the protocol', () => {
    const reply = { type: 'prediction', serial: 1, profile, dense, computeMs: 2 };
    expect(readReply(reply)).toBe(reply);
    expect(readReply({ type: 'catalogue', catalogue })).toMatchObject({ type: 'catalogue' });
    for (const browser of [
      { refused: 'learned masks only' },
      { key: 'k', plan: {}, shape: [1, 224, 224, 3] },
      { key: 'k', plan: {}, shape: [1], predicted: { device: 'gpu', totalMs: 1, denseMs: 2 } },
    ]) {
      const whole = { ...result, browser };
      expect(readReply(whole)).toBe(whole);
    }
  });

  it.each([
    [{ type: 'other' }, 'type: found "other", expected catalogue, prediction'],
    [{ type: 'prediction', serial: 1 }, 'profile: found nothing, expected an object'],
    [
      { type: 'catalogue', catalogue: { ...catalogue, networks: [] } },
      'catalogue.networks: found an array of 0',
    ],
    [null, 'document: found null, expected an object'],
    [
      { type: 'catalogue', catalogue: { ...catalogue, state: { ...state, rate: 1.5 } } },
      'catalogue.state.rate: found 1.5, expected a number from 0 to 1',
    ],
    [
      { type: 'progress', serial: 3, fraction: -0.1, name: 'block' },
      'fraction: found -0.1, expected a number from 0 to 1',
    ],
    [
      { type: 'progress', serial: 0.5, fraction: 0, name: 'block' },
      'serial: found 0.5, expected a whole number',
    ],
    [{ type: 'network', serial: 1, key: 'k', offset: 0, totalBytes: 0 }, 'totalBytes: found 0'],
    [{ type: 'calibrated', serial: 1 }, 'device: found nothing, expected text'],
    [{ type: 'code', serial: 1, source: 7 }, 'source: found 7, expected text'],
    [{ type: 'error', message: null }, 'message: found null, expected text'],
  ])('%j is refused', (reply, problem) => {
    expect(() => readReply(reply)).toThrow(problem);
  });

  it.each([
    [{}, 'browser.key: found nothing, expected text'],
    [{ refused: 1 }, 'browser.refused: found 1, expected text'],
    [{ key: 'k', plan: {}, shape: [1, 0] }, 'browser.shape[1]: found 0, expected a number from 1'],
    [
      { key: 'k', plan: {}, shape: [1], predicted: { device: 'gpu', totalMs: -1 } },
      'browser.predicted.totalMs: found -1, expected at least 0',
    ],
  ])('%j, for a run in the browser, is refused', (browser, problem) => {
    expect(() => readReply({ ...result, browser })).toThrow(problem);
  });
});

describe('the block chart', () => {
  it('matches blocks of the profiles by index', () => {
    const none = {
      predicted: undefined,
      predictedDense: undefined,
      measured: undefined,
      measuredDense: undefined,
    };
    const measured = { ...profile, blocks: profile.blocks.slice(0, 1) };
    const bars = chartBars({ ...none, predicted: profile, predictedDense: dense, measured });
    expect(bars).toHaveLength(16);
    expect(bars[0]!.ms.measured).toBe(profile.blocks[0]!.totalMs);
    expect(bars[1]!.ms.measured).toBeUndefined();
    expect(bars[0]!.ms.predictedDense).toBe(dense.blocks[0]!.totalMs);
    expect(bars[0]!.ms.measuredDense).toBeUndefined();
    expect(chartBars(none)).toEqual([]);
  });

  it('stand over an axis of round values', () => {
    expect(axisTicks(0.43)).toEqual([0, 0.2, 0.4]);
    expect(axisTicks(1)).toEqual([0, 0.5, 1]);
    expect(axisTicks(9.9)).toEqual([0, 2, 4, 6, 8]);
    expect(axisTicks(37)).toEqual([0, 10, 20, 30]);
    for (let most = 0.001; most < 5000; most *= 1.37) {
      const ticks = axisTicks(most);
      expect(ticks.length).toBeGreaterThanOrEqual(3);
      expect(ticks.length).toBeLessThanOrEqual(5);
      expect(ticks.at(-1)).toBeLessThanOrEqual(most * (1 + 1e-9));
    }
  });
});

describe('what the panel says of its numbers', () => {
  const own = { name: 'this-machine', kind: 'this-machine' } as const;
  const generic = { name: 'cpu-avx2', kind: 'generic-cpu' } as const;
  const other = { name: 'v100', kind: 'other' } as const;

  it('never takes a prediction for another machine for one of this', () => {
    expect(deviceSentence(own)).toBe('this machine, calibrated');
    expect(deviceSentence(generic)).toBe('generic CPU, not calibrated');
    expect(deviceSentence(other)).toBe('on v100');
    expect(deviceLabel(generic)).toBe('cpu-avx2 (generic)');
  });

  it('compares like with like: each time with its own dense time, a prediction only with its own machine', () => {
    expect(againstDense(5, 10)).toBe('0.500× dense (10.0\u00a0ms)');
    expect(againstDense(5, undefined)).toBe('');
    expect(predictionError(own, 11, 10)).toBe('prediction 10 % above');
    expect(predictionError(generic, 11, 10)).toBe('');
    expect(predictionError(other, 11, 10)).toBe('');
  });
});

describe('what the panel says of its connection', () => {
  it('is helpful for every state but ready', () => {
    for (const connection of [
      'none',
      'starting',
      'opening',
      'silent',
      'unsupported',
      'closed',
      'dead',
    ] as const) {
      expect(noticeFor(connection, 'Python 3', false)!.detail.length).toBeGreaterThan(20);
    }
    expect(noticeFor('ready', undefined, true)).toBeUndefined();
    expect(noticeFor('unsupported', 'Python 3', false)).toMatchObject({
      title: 'Python 3 has no live controls',
      action: 'change-kernel',
    });
    expect(noticeFor('opening', undefined, true)!.title).toBe('The kernel is busy');
  });
});
