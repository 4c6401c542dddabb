import { dirname, join } from 'node:path';
import { FoveaError } from '../../errors.js';
import type { Safetensors, StoredTensor } from './safetensors.js';
import { readSafetensors } from './safetensors-file.js';

/** More files than any network is cut into. */
const mostShards = 1000;

/** The shards that an index names, by array; undefined when the JSON is none. */
export function shardsOf(index: unknown): ReadonlyMap<string, string> | undefined {
  const map = (index as { weight_map?: unknown } | null)?.weight_map;
  if (typeof map !== 'object' || map === null || Array.isArray(map)) return undefined;
  return new Map(Object.entries(map as Record<string, string>));
}

/**
 * The arrays of a network that is cut into several safetensors files, by the index beside them. Only files in the
 * index's own folder are read.
 * @throws FoveaError `bad-file` for a name that is no file's in that folder, or an array that its file lacks
 */
export async function readShards(shards: ReadonlyMap<string, string>, path: string): Promise<Safetensors> {
  const files = new Map<string, Safetensors>();
  const tensors = new Map<string, StoredTensor>();
  for (const [name, shard] of shards) {
    if (typeof shard !== 'string' || !/^[\w.-]+\.safetensors$/.test(shard) || shard.startsWith('.')) {
      throw new FoveaError(
        'bad-file',
        `${path}: ${JSON.stringify(name)} lies in ${JSON.stringify(shard)}; a .safetensors file beside it is accepted`,
      );
    }
    const file = files.get(shard) ?? (await readSafetensors(join(dirname(path), shard)));
    if (files.set(shard, file).size > mostShards) {
      throw new FoveaError('bad-file', `${path}: names more than ${mostShards} files`);
    }
    const tensor = file.tensors.get(name);
    if (!tensor) throw new FoveaError('bad-file', `${path}: ${shard} holds no array ${JSON.stringify(name)}`);
    tensors.set(name, tensor);
  }
  return { source: path, tensors, metadata: {} };
}
