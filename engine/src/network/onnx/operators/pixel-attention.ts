import { attendedInputs, biasCount } from '../../pixel-attention.js';
import { attentionOf } from '../pixels/attention-operator.js';
import type { Handler } from '../scope.js';

/** Attention over pixels that was found in the graph, of maps alone. */
export const pixelAttention: Handler = (node, scope) => {
  const outline = attentionOf(node);
  if (!outline) return undefined;
  const read = Array.from({ length: attendedInputs(outline) }, (_, index) => index);
  if (read.some((index) => scope.value(node, index)?.rank !== 4)) return undefined;
  const values = outline.bias && scope.floats(node, read.length);
  const attention = outline.bias && values ? { ...outline, bias: { ...outline.bias, values } } : outline;
  if (outline.bias && values?.length !== biasCount(outline, outline.bias)) return undefined;
  const inputs = scope.inputs(node, ...read);
  return {
    draft: { kind: 'pixel-attention', ...scope.base(node, inputs), attention },
    value: { rank: 4, channels: attention.heads * attention.width, pooled: false },
  };
};
