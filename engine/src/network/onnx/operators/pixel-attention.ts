import { attentionOf } from '../pixels/attention-operator.js';
import type { Handler } from '../scope.js';

/** Attention over pixels that was found in the graph, of maps alone. */
export const pixelAttention: Handler = (node, scope) => {
  const attention = attentionOf(node);
  const maps = node.inputs.map((_, index) => scope.value(node, index));
  if (!attention || maps.some((map) => map?.rank !== 4)) return undefined;
  const inputs = scope.inputs(node, ...node.inputs.keys());
  return {
    draft: { kind: 'pixel-attention', ...scope.base(node, inputs), attention },
    value: { rank: 4, channels: attention.heads * attention.width, pooled: false },
  };
};
