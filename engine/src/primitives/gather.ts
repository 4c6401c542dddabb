import type { Convolution } from '../network/network.js';
import type { ProgramMask } from '../program/program.js';
import { readsRows } from '../program/stream.js';
import { layerOf } from './primitive.js';
import type { PrimitiveRecord } from './record.js';

export const gather: PrimitiveRecord = {
  description: 'active cells copied with their halo before the convolution that follows',
  counts: 'data',
  standing: (_, mode) => (mode === 'adaptive' ? 'optional' : 'absent'),
  after: () => ['index'],
  lower(block) {
    const { sequence, regions, network, adaptive } = block;
    const owner = block.owner('gather');
    const following = sequence
      .slice(sequence.indexOf('gather') + 1)
      .find((name) => name === 'excite' || layerOf(name) !== undefined);
    if (following === undefined || following === 'excite') {
      network.passNote(owner, `nothing is copied: ${following ?? 'no convolution'} follows`);
      return;
    }
    // A convolution that reads through lists of pixels is the fused form of the two.
    if (block.together('gather', following)) return;
    const layer = layerOf(following)!;
    const convolution = block.block.branch[layer]!;
    const region = regions[layer];
    const dilated = convolution.dilation[0] !== 1 || convolution.dilation[1] !== 1;
    const source = block.values;
    if (
      !region ||
      region !== block.activeRegion ||
      dilated ||
      readsRows(convolution) ||
      // What is copied has zeros around the map.
      convolution.maximum ||
      source.map.layout.kind !== 'map'
    ) {
      network.passNote(owner, 'nothing is copied: the convolution reads through pixel lists');
      return;
    }
    const { builder } = network;
    const halo = builder.halo(region, convolution);
    const rows = haloRows(adaptive!.mask, convolution);
    const destination = builder.map([1, 1, rows, convolution.inChannels], { kind: 'halo', halo });
    builder.emit(owner, { kind: 'gather', source: source.map, destination });
    block.values = { map: destination, region: source.region };
  },
};

/** Rows that all cells of a mask take with their halo: what `gather` needs room for. */
function haloRows(mask: ProgramMask, { kernel, stride }: Convolution): number {
  const along = (cells: number, size: number, axis: 0 | 1) =>
    (size - cells) * stride[axis] + cells * kernel[axis];
  return mask.batch * along(mask.rows, mask.height, 0) * along(mask.columns, mask.width, 1);
}
