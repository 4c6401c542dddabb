import { learnedMasker, makePlan, resolveMaskers, type Strategy, saliencyMasker } from '@fovea/engine';
import { receptiveRegion, spreadCells } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { listCells } from '../../../../engine/src/backends/listed-pixels.js';
import { Device, openDevice } from '../../../../engine/src/backends/webgpu/device.js';
import { GpuRun } from '../../../../engine/src/backends/webgpu/gpu-run.js';
import { dispatchFields } from '../../../../engine/src/backends/webgpu/kernels/masks.js';
import type { List } from '../../../../engine/src/backends/webgpu/lists.js';
import { missingOf } from '../../support/backends.js';
import { ordered, shuffledCells } from '../../support/rewrites.js';
import { randomImages, type SmallNetworkOptions, smallNetwork } from '../../support/small-network.js';
import { GuardedResident, readWords } from './guarded-resident.js';

const there = it.skipIf((await missingOf('webgpu')) !== undefined);

/** The adapter's device, or one on it that leaves out subgroups. */
async function deviceWith(subgroups: boolean): Promise<Device> {
  const device = await openDevice('f32');
  if (device.subgroups === subgroups) return device;
  const { name, driver, precision, software } = device;
  return new Device(device.gpu, { name, driver, precision, software, subgroups });
}

const offered = (await missingOf('webgpu')) === undefined && (await openDevice('f32')).subgroups;
const withSubgroups = it.skipIf(!offered);

const NOWHERE = 0xffff_ffff;

/** A run of a small network of uneven sizes, with all that it leaves on the GPU. */
async function runGuarded(
  kind: 'bottleneck' | 'basic' | 'inverted',
  strategy: string | Strategy,
  subgroups = false,
  shape: SmallNetworkOptions = {},
) {
  const groups = kind === 'bottleneck' ? 4 : 1;
  const network = smallNetwork({ kind, groups, excite: true, channels: 13, ...shape });
  const masker = kind === 'basic' ? saliencyMasker(0.4) : learnedMasker();
  const images = randomImages(network, 3);
  const [batch, height, width] = images.shape;
  const maskers = resolveMaskers(network, { masker });
  const plan = makePlan(network, { strategy, maskers, granularity: 3, batch, height, width });
  const resident = new GuardedResident(await deviceWith(subgroups), network, images.shape);
  await resident.upload();
  const program = await resident.programs.get(plan, maskers);
  const options = { plan, maskers, threads: 1 };
  const result = await new GpuRun(resident, program, options, 0).finish(images, () => {
    throw new Error('the program is complete');
  });
  return { resident, program, result };
}

describe('backend webgpu', () => {
  there.each([
    ['bottleneck', 'unfused'],
    ['bottleneck', 'streamed'],
    ['basic', 'lasnet'],
    ['inverted', 'unfused'],
  ] as const)('writes inside its maps only: %s, %s', async (kind, strategy) => {
    const { resident, result } = await runGuarded(kind, strategy);
    expect(result.output.data.every(Number.isFinite)).toBe(true);
    expect(await resident.touched()).toBe(0);
  });

  there.each(['bottleneck', 'basic'] as const)(
    'lists every pixel of a region once in front, every other once behind: %s',
    (kind) => checkLists(kind, false),
  );

  withSubgroups.each(['bottleneck', 'basic'] as const)(
    'lists the same with operations of subgroups: %s',
    (kind) => checkLists(kind, true),
  );

  // Maps of more pixels than a workgroup scans, in each of three images.
  there.each(['bottleneck', 'basic'] as const)(
    'lists pixels and cells in the order of cells that a rewrite gives: %s',
    async (kind) => {
      const shape = { height: 31, mapWidth: 29, excite: false };
      const { resident, program, result } = await runGuarded(
        kind,
        ordered('unfused', shuffledCells),
        false,
        shape,
      );
      const { regions, halos, masks } = program.lowered.program;
      const { lists } = program.encoded;
      const words = await readWords(resident, program.shared.lists, 0, lists.words);
      /** What is listed, from both ends, is what is active, and what is not. */
      const expectListed = (
        { list, pixels }: List,
        mask: Parameters<typeof listCells>[0],
        order: readonly number[],
      ) => {
        const listed = [...words.subarray(list, list + pixels)];
        const on = listCells(mask, order);
        const off = listCells({ ...mask, cells: mask.cells.map((cell) => 1 - cell) }, order);
        expect(listed).toEqual([...on, ...off.toReversed()]);
        active += on.length;
        others += off.length;
      };
      let [active, others] = [0, 0];
      const own = regions.filter(({ reads }) => !reads);
      for (const region of own) {
        const mask = result.masks[masks.indexOf(region.mask)]!;
        expectListed(lists.of(region), mask, shuffledCells(mask.rows, mask.columns));
      }
      for (const halo of halos) {
        const { rows, columns, ...mask } = result.masks[masks.indexOf(halo.region.mask)]!;
        const cells = { ...mask, rows, columns, height: rows, width: columns };
        expectListed(lists.cellsOf(halo), cells, shuffledCells(rows, columns));
      }
      expect([own.length, halos.length]).toEqual([masks.length, kind === 'basic' ? 0 : masks.length]);
      expect(Math.min(active, others)).toBeGreaterThan(1000);
      expect(await resident.touched()).toBe(0);
    },
  );
});

/** Every region's list, and the sizes of the dispatches over it. */
async function checkLists(kind: 'bottleneck' | 'basic', subgroups: boolean): Promise<void> {
  const { resident, program, result } = await runGuarded(kind, 'unfused', subgroups);
  expect(resident.device.subgroups).toBe(subgroups);
  const { regions, masks } = program.lowered.program;
  const { lists } = program.encoded;
  const words = await readWords(resident, program.shared.lists, 0, lists.words);
  const counters = await readWords(resident, program.shared.counters, 0, lists.counters);
  const active = new Map<number, Uint8Array>();
  for (const region of regions) {
    const { mask, reads, height, width, pixels } = region;
    const { cells } = result.masks[masks.indexOf(mask)]!;
    const wanted = reads
      ? receptiveRegion(active.get(reads.of.id)!, mask.batch, reads.of, reads.convolution, {
          height,
          width,
        })
      : spreadCells(cells, mask, mask.batch, height, width);
    active.set(region.id, wanted);
    const { list, positions, counter } = lists.of(region);
    const count = wanted.reduce((sum, pixel) => sum + pixel, 0);
    expect([counters[counter], counters[counter + 1]]).toEqual([count, pixels - count]);
    const listed = [...words.subarray(list, list + pixels)];
    expect(listed.toSorted((a, b) => a - b)).toEqual(Array.from({ length: pixels }, (_, i) => i));
    expect(listed.slice(0, count).every((pixel) => wanted[pixel] === 1)).toBe(true);
    for (let pixel = 0; pixel < pixels; pixel++) {
      const position = words[positions + pixel]!;
      expect(position === NOWHERE ? undefined : listed[position]).toBe(wanted[pixel] ? pixel : undefined);
    }
  }
  expect(regions.length).toBeGreaterThan(3);
  // Every size of a dispatch is that of its list, in as many workgroups as hold it.
  const { table, bytes } = program.encoded.slots;
  const sizes = await readWords(resident, program.shared.dispatches, 0, bytes / 4);
  for (let slot = 0; slot < bytes / 12; slot++) {
    const width = dispatchFields.length;
    const [counter, factor, divisor, y] = table.subarray(width * slot) as unknown as number[];
    const groups = Math.ceil((counters[counter!]! * factor!) / divisor!);
    expect([...sizes.subarray(3 * slot, 3 * slot + 3)]).toEqual([groups, y, groups > 0 ? 1 : 0]);
  }
}
