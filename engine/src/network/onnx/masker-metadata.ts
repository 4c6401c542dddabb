import { type Block, blocksOf, type Network } from '../network.js';

/**
 * Where an ONNX model's metadata has maskers, and what it then says: one entry a block, by its position among the
 * adaptive ones. What else a reader takes for a block does not matter: masks have nothing to skip in it.
 */
const key = 'fovea.maskers';

interface StoredMasker {
  readonly block: number;
  /** How many there were, by which a reader that finds others knows that positions mean nothing to it. */
  readonly blocks: number;
  readonly granularity?: number;
  /** Little-endian float32, base64. */
  readonly weight: string;
  readonly bias: number;
}

/** The maskers of a network as a property for an ONNX model's metadata; undefined when it has none. */
export function maskerProperty(
  network: Network,
): { readonly key: string; readonly value: string } | undefined {
  const all = adaptiveBlocks(network);
  const maskers = all.flatMap(({ masker, granularity }, block): StoredMasker[] => {
    if (!masker) return [];
    const { weight, bias } = masker;
    const bytes = new Uint8Array(weight.buffer, weight.byteOffset, weight.byteLength);
    // JSON has no infinity: one cell for any map that can be run.
    const S = granularity === undefined ? {} : { granularity: Math.min(granularity, 2 ** 20) };
    return [{ block, blocks: all.length, ...S, weight: toBase64(bytes), bias }];
  });
  return maskers.length > 0 ? { key, value: JSON.stringify(maskers) } : undefined;
}

/**
 * Gives a network the maskers of its file's metadata.
 * @returns the network; `note` says why maskers were left out, when some do not fit its blocks
 */
export function withStoredMaskers(
  network: Network,
  metadata: readonly { readonly key: string; readonly value: string }[],
): { readonly network: Network; readonly note?: string } {
  const text = metadata.find((property) => property.key === key)?.value;
  if (text === undefined) return { network };
  const blocks = adaptiveBlocks(network);
  const maskers = parse(text);
  const fitting = maskers?.every(
    ({ block, blocks: count, weight }) =>
      count === blocks.length && weight.length === blocks[block]?.branch[0]?.inChannels,
  );
  if (!maskers || !fitting) {
    return { network, note: "the maskers in the file's metadata do not fit its blocks; they are left out" };
  }
  const byIndex = new Map(maskers.map((masker) => [blocks[masker.block]!.index, masker]));
  const adapted = (block: Block): Block => {
    const found = byIndex.get(block.index);
    if (!found) return block;
    const { weight, bias, granularity } = found;
    return { ...block, masker: { weight, bias }, ...(granularity === undefined ? {} : { granularity }) };
  };
  const nodes = network.nodes.map((node) =>
    node.kind === 'block' ? { ...node, block: adapted(node.block) } : node,
  );
  return { network: { ...network, nodes } };
}

const adaptiveBlocks = (network: Network) => blocksOf(network).filter(({ adaptive }) => adaptive);

/** Entries of sound types; undefined when anything is not. */
function parse(
  text: string,
): (Omit<StoredMasker, 'weight'> & { readonly weight: Float32Array })[] | undefined {
  let list: unknown;
  try {
    list = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(list)) return undefined;
  const maskers = list.map((entry: Partial<Record<keyof StoredMasker, unknown>> | null) => {
    const { block, blocks, granularity, weight, bias } = entry ?? {};
    const positive = (value: unknown, least: number): value is number =>
      Number.isSafeInteger(value) && (value as number) >= least;
    if (!positive(block, 0) || !positive(blocks, 1) || typeof weight !== 'string' || typeof bias !== 'number')
      return undefined;
    if (granularity !== undefined && !positive(granularity, 1)) return undefined;
    const bytes = fromBase64(weight);
    if (!bytes || bytes.length % 4 !== 0) return undefined;
    return {
      block,
      blocks,
      bias,
      weight: new Float32Array(bytes.buffer),
      ...(granularity === undefined ? {} : { granularity }),
    };
  });
  return maskers.includes(undefined) ? undefined : (maskers as NonNullable<(typeof maskers)[number]>[]);
}

/** Neither Node's buffers nor the newest browsers' methods: a network is read in any browser. */
function toBase64(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** @returns undefined for what is not base64 */
function fromBase64(text: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  } catch {
    return undefined;
  }
}
