import { isPromise } from '../arguments/said.js';
import { ask } from '../mask/ask.js';
import { checkDecision } from '../mask/decide.js';
import type { MaskDecision } from '../mask/mask.js';
import type { AdaptiveBlock } from '../primitives/network-lowering.js';
import type { ScriptRecord } from './program-report.js';
import type { QueuedRunOptions } from './run-queue.js';

/**
 * A masker's own cells for a block; its margins go to the record.
 * @param pooled the block's input on the mask's grid; empty when the masker does not read it
 * @throws FoveaError as `ask` and `checkDecision` do
 */
export function askMasker(
  { block, shape, mask }: AdaptiveBlock,
  { plan, maskers, ...asking }: Pick<QueuedRunOptions, 'plan' | 'maskers' | 'signal' | 'onWait' | 'holds'>,
  { margins }: ScriptRecord,
  pooled: Float32Array,
): Uint8Array | Promise<Uint8Array> {
  const masker = maskers[block.index]!;
  const { batch, rows, columns } = mask;
  const { granularity } = plan.blocks[block.index]!;
  const checked = (decision: MaskDecision): Uint8Array => {
    const { cells, margins: own } = checkDecision(decision, masker, block, batch * rows * columns);
    if (own) margins.set(block.index, own);
    return cells instanceof Uint8Array ? cells : Uint8Array.from(cells);
  };
  const answer = ask(masker, { block, shape, granularity, batch, rows, columns, pooled }, asking);
  return isPromise(answer) ? answer.then(checked) : checked(answer);
}
