import { FoveaError } from '../../errors.js';
import type { Chain } from './chain.js';
import type { CheckpointConfig } from './config.js';
import type { Layers } from './layers.js';

/** A family of networks that is recognised by the names in a state dict. */
export interface Architecture {
  readonly name: string;
  /** An array that every member has; whatever stands before it in the file's names is a prefix. */
  readonly anchor: string;
  /** Where the classifier may be. */
  readonly heads: readonly string[];
  /** True for an array that belongs to the layers before the classifier. */
  readonly isTrunk: (array: string) => boolean;
  /** What the configuration is where it does not say: the side of its images, how they are normalised. */
  readonly defaults?: (layers: Layers, config: CheckpointConfig) => CheckpointConfig;
  /** Adds everything before the final pooling. */
  readonly read: (layers: Layers, chain: Chain, config: CheckpointConfig, notes: string[]) => void;
  /** Adds what stands between the final pooling and the classifier. */
  readonly beforeHead?: (layers: Layers, chain: Chain) => void;
}

/**
 * Blocks per stage, counted from the names in the file.
 * @param pattern of a name that every block has, with the stage and the block's position in it
 * @param first position of a stage's first block
 * @param nameOf a block, for messages
 */
export function stageDepths(
  { file }: Layers,
  pattern: RegExp,
  first: number,
  nameOf: (stage: number, position: number) => string,
): number[] {
  const seen: Set<number>[] = [];
  for (const key of file.tensors.keys()) {
    const match = pattern.exec(key);
    if (!match) continue;
    const stage = Number(match[1]) - 1;
    seen[stage] = (seen[stage] ?? new Set()).add(Number(match[2]) - first);
  }
  return Array.from(seen, (positions, stage) => {
    for (let position = 0; position < (positions?.size ?? 1); position++) {
      if (!positions?.has(position)) {
        throw new FoveaError('bad-file', `${file.source}: block ${nameOf(stage, position)} is missing`);
      }
    }
    return positions!.size;
  });
}
