import type { Masker } from '../mask/mask.js';
import { decidesByRule } from '../mask/rule.js';
import { salientRate } from '../mask/saliency.js';
import type { Block } from '../network/network.js';
import type { Decider } from '../program/program.js';

/**
 * Who decides a block's mask:
 * - `rule`: the backend, by a rule that it knows
 * - `ask`: the masker's own function, in the middle of the run, from the pooled input
 * - `given`: the masker's own function, before the run
 */
export type Decision =
  | { readonly by: 'rule'; readonly decider: Decider }
  | { readonly by: 'ask' }
  | { readonly by: 'given' };

/** How a masker's decisions for a block come about; without a masker they are given. */
export function decisionOf(block: Block, masker: Masker | undefined): Decision {
  if (!masker) return { by: 'given' };
  if (!decidesByRule(masker, block)) return { by: masker.needsPool ? 'ask' : 'given' };
  const rate = salientRate(masker);
  return { by: 'rule', decider: rate === undefined ? { kind: 'learned', block } : { kind: 'salient', rate } };
}

/** Equal for decisions of which the same program follows. */
export function decisionKey(decision: Decision): string {
  if (decision.by !== 'rule') return decision.by;
  return decision.decider.kind === 'salient' ? `salient ${decision.decider.rate}` : 'learned';
}
