import type { NetworkNode } from '../../network/network.js';
import type { ValueShape } from '../../network/walk.js';
import { convolving, movingNode, type PassWork } from './work.js';

/** The one pass of a dense node outside blocks; undefined for a foreign node, whose cost is not known. */
export function nodePass(
  node: Exclude<NetworkNode, { kind: 'block' }>,
  input: ValueShape,
  output: ValueShape,
): PassWork | undefined {
  if (node.kind === 'foreign' || !input || !output) return undefined;
  const elements = (shape: readonly number[]) => shape.reduce((product, extent) => product * extent, 1);
  const part =
    node.kind === 'convolution'
      ? convolving('node', node.convolution, output[0] * output[1] * output[2], {
          from: 'in',
          inputElements: elements(input),
          to: 'out',
          indexed: false,
        })
      : movingNode(elements(input) * node.inputs.length, elements(output), input[3]);
  return { primitives: [], parts: [part], adaptive: false };
}
