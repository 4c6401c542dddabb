import { makePlan, type Network, randomMasker, type Strategy } from '@fovea/engine';
import { blocksOf } from '../../../engine/src/network/network.js';
import { networkShapes } from '../../../engine/src/network/walk.js';
import { maskCoverage } from '../../../engine/src/predict/coverage.js';
import {
  type CostedProgram,
  programOfPlan,
} from '../../../engine/src/predict/program-cost/costed-program.js';
import { Random } from '../../../engine/src/random.js';

/** Cells of all masks: each active with probability `rate`, drawn the same every time. */
function drawCells(program: CostedProgram, rate: number): Uint8Array {
  const random = new Random(3);
  return Uint8Array.from(
    program.lowered.masks.flatMap(({ batch, rows, columns }) =>
      Array.from({ length: batch * rows * columns }, () => (random.next() < rate ? 1 : 0)),
    ),
  );
}

/** A program of a plan, its masks given, and its region counts under some cells. */
export function prepare(
  network: Network,
  strategy: string | Strategy,
  granularity: number,
  rate: number,
  side: number,
) {
  const size = { batch: 1, height: side, width: side };
  const maskers = blocksOf(network).map(() => randomMasker(rate, 1));
  const plan = makePlan(network, { strategy, granularity, maskers, ...size });
  const program = programOfPlan(network, plan, networkShapes(network, size), maskers);
  const cells = drawCells(program, rate);
  let first = 0;
  const ofMask = program.lowered.masks.map(({ batch, rows, columns }) => {
    const own = cells.subarray(first, first + batch * rows * columns);
    first += own.length;
    return own;
  });
  const counts = program.counts(({ block, shape, mask: id }) => {
    const mask = program.lowered.masks[id]!;
    return maskCoverage({ ...mask, block: block.index, granularity, cells: ofMask[id]! }, block, shape);
  });
  return { program, cells, counts };
}
