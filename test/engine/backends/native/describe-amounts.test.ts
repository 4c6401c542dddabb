import { builtNetwork, type Network } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { inferAddon } from '../../../../engine/src/backends/native/addon.js';
import { nativeBackend } from '../../../../engine/src/backends/native/index.js';
import { weightBytesOf } from '../../../../engine/src/network/weight-bytes.js';
import { Describer, nativeAmounts } from '../../../../engine/src/predict/program-cost/describer.js';
import { convNext } from '../../support/convnext.js';
import { prepare } from '../../support/prepared-program.js';

const caches = { nearBytes: 2 ** 20, farBytes: 2 ** 25 };

describe.skipIf(nativeBackend.unavailable !== undefined)('amounts of work that are described', () => {
  const isa = nativeBackend.unavailable === undefined ? inferAddon().inferKernels() : '';

  /** What a run of a network has of one amount, also with other weights that pass from one run to the next. */
  function amountOf(
    name: string,
    network: Network,
    strategy: string,
    rate: number,
    size: number,
    weightBytes = weightBytesOf(network),
  ): number {
    const describer = new Describer(isa, nativeAmounts()!);
    const at = nativeAmounts()!.findIndex((amount) => amount.name === name);
    const { program, counts } = prepare(network, strategy, 1, rate, size);
    const { rows } = describer.describe(program, counts, 1, caches, weightBytes);
    const { values, amounts } = describer.layout;
    let sum = 0;
    for (let row = 0; row < rows.length; row += values) sum += rows[row + amounts + at]!;
    return sum;
  }

  const vectorsOf = (channels: number) => Math.ceil(channels / inferAddon().inferLanes(isa)!);

  it('counts what is normalised beside what is computed anyway', () => {
    const network = convNext({ channels: [24], blocks: 1, learned: false });
    const amountAt = (rate: number) => amountOf('normalised', network, 'unfused', rate, 64);
    const [row, pixels] = [vectorsOf(24), 16 * 16];
    // Those of the stem and of the head, and of the block where it is active.
    expect(amountAt(0)).toBeCloseTo(row * (pixels + 1));
    expect(amountAt(1)).toBeCloseTo(row * (2 * pixels + 1));
    expect(amountAt(0.5) - amountAt(0)).toBeGreaterThan(0.3 * row * pixels);
  });

  it('counts activations that take an exponential', () => {
    const network = convNext({ channels: [24], blocks: 1, learned: false });
    const amountAt = (rate: number) => amountOf('curved', network, 'unfused', rate, 64);
    // Its GELU is behind the convolution that makes four times as many channels; ReLUs do not count.
    expect(amountAt(0)).toBe(0);
    expect(amountAt(1)).toBeCloseTo(vectorsOf(4 * 24) * 16 * 16);
    expect(amountOf('curved', builtNetwork('resnet18'), 'dense', 1, 64)).toBe(0);
  });

  it('counts the taps of a depthwise convolution once for each vector of channels', () => {
    const network = convNext({ channels: [24], blocks: 1, learned: false });
    const amountAt = (rate: number) => amountOf('depthwise', network, 'unfused', rate, 64);
    // What the head normalises is a convolution of one tap.
    expect(amountAt(0)).toBeCloseTo(vectorsOf(24));
    expect(amountAt(1) - amountAt(0)).toBeCloseTo(49 * vectorsOf(24) * 16 * 16);
  });

  it('counts what passes over rows load, and what they store where they have loaded nothing', () => {
    const network = convNext({ channels: [24], blocks: 1, learned: false });
    const mapBytes = 4 * 24 * 16 * 16;
    const maps = (kind: string, strategy: string, rate: number) =>
      ['Near', 'Far', 'Memory'].reduce(
        (sum, level) => sum + amountOf(`${kind}${level}`, network, strategy, rate, 64) / mapBytes,
        0,
      );
    for (const rate of [0, 0.5, 1]) {
      // The gather copies the 49 taps of each active pixel, the scatter writes a whole map, and the add works in place.
      expect(maps('load', 'unfused', rate)).toBeCloseTo(49 * rate + rate + 2);
      expect(maps('store', 'unfused', rate)).toBeCloseTo(49 * rate + 1);
      // So does the scatter with the add.
      expect(maps('load', 'lasnet', rate)).toBeCloseTo(2 * rate);
      expect(maps('store', 'lasnet', rate)).toBe(0);
    }
  });

  it('counts no bytes that a convolution writes where it has just read the residual', () => {
    const network = convNext({ channels: [24], blocks: 1, learned: false });
    const maps = (rate: number) =>
      ['Near', 'Far', 'Memory'].reduce(
        (sum, level) => sum + amountOf(`write${level}`, network, 'streamed', rate, 64) / (4 * 24 * 16 * 16),
        0,
      );
    // Those of the convolutions of 24 and 96 channels before it.
    expect(maps(1) - maps(0)).toBeCloseTo(5);
    expect(maps(0.5) - maps(0)).toBeLessThan(4);
  });

  it('has maps that are first used in a run come from where the run before has left them', () => {
    const network = convNext({ channels: [24], blocks: 1, learned: false });
    const amountAt = (name: string, weightBytes: number) =>
      amountOf(name, network, 'dense', 1, 64, weightBytes);
    expect(amountAt('writeMemory', 0)).toBe(0);
    // The output of the stem; the block works in place.
    expect(amountAt('writeMemory', 1000 * caches.farBytes)).toBeCloseTo(4 * 24 * 16 * 16);
    // The input has been written just before.
    expect(amountAt('readMemory', 1000 * caches.farBytes)).toBe(0);
  });
});
