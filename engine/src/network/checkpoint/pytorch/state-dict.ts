import { FoveaError } from '../../../errors.js';
import { bytesPerValue } from '../../number-formats.js';
import type { CheckpointConfig } from '../config.js';
import type { Safetensors, StoredTensor } from '../safetensors.js';
import { Namespace } from './globals.js';
import type { PickledFile } from './read.js';
import { PickledTensor } from './tensors.js';

/** Where training scripts keep the weights, most usual first. */
const usualKeys = [
  ...['state_dict', 'model_state_dict', 'model', 'net', 'network', 'module', 'weights', 'params', 'backbone'],
  ...['model_ema', 'state_dict_ema', 'ema', 'ema_state_dict', 'teacher', 'student'],
];

/** Dicts deeper inside than this, or more of them, hold no weights. */
const deepest = 4;
const mostDicts = 10_000;

/** Tensors may share values, but not so often that reading them takes many times the file's size. */
const mostRepeats = 4;
const spareBytes = 64 * 2 ** 20;

export interface FoundStateDict {
  readonly file: Safetensors;
  /** What the training script's own settings say of the maskers. */
  readonly settings: CheckpointConfig;
  readonly notes: readonly string[];
}

/**
 * The weights in a checkpoint, however deep a training script has put them.
 * @throws FoveaError `unsupported` when no dict of named tensors is there, `bad-file` for tensors without values
 */
export function findStateDict(pickled: PickledFile): FoundStateDict {
  const { source, value } = pickled;
  const found = stateDicts(value);
  const [first, ...others] = found;
  if (!first) {
    const keys = value instanceof Map ? [...value.keys()].slice(0, 8).map(String).join(', ') : typeof value;
    throw new FoveaError(
      'unsupported',
      `${source} holds no dict of named tensors (it holds ${keys}); save one with torch.save(model.state_dict(), "weights.pth")`,
    );
  }
  const rest = others.map(({ path }) => path).filter((path) => path !== '');
  const notes =
    rest.length === 0
      ? []
      : [`the weights are those of "${first.path}"; there are also ${rest.slice(0, 4).join(', ')}`];
  return {
    file: { source, tensors: storedTensors(pickled, first.tensors), metadata: {} },
    settings: settingsOf(value),
    notes,
  };
}

interface Candidate {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, PickledTensor>;
}

/** Every dict that holds named weights, in the order in which they are to be tried. */
function stateDicts(root: unknown): Candidate[] {
  const found: Candidate[] = [];
  const seen = new Set<unknown>();
  const pending: { value: unknown; path: string; depth: number }[] = [{ value: root, path: '', depth: 0 }];
  for (let next = pending.shift(); next !== undefined && seen.size < mostDicts; next = pending.shift()) {
    const { value, path, depth } = next;
    if (!(value instanceof Map) || seen.has(value)) continue;
    seen.add(value);
    const named = [...value].filter(
      (entry): entry is [string, PickledTensor] =>
        typeof entry[0] === 'string' && entry[1] instanceof PickledTensor,
    );
    if (named.some(([name]) => name.endsWith('.weight'))) found.push({ path, tensors: new Map(named) });
    if (depth === deepest) continue;
    const inner = [...value].filter(([, item]) => item instanceof Map);
    const rank = (key: unknown) =>
      (usualKeys.indexOf(String(key)) + usualKeys.length + 1) % (usualKeys.length + 1);
    inner.sort(([a], [b]) => rank(a) - rank(b));
    for (const [key, item] of inner) {
      pending.push({
        value: item,
        path: path === '' ? String(key) : `${path}.${String(key)}`,
        depth: depth + 1,
      });
    }
  }
  return found;
}

function storedTensors(
  { source, bytes, storage }: PickledFile,
  tensors: ReadonlyMap<string, PickledTensor>,
): Map<string, StoredTensor> {
  let left = mostRepeats * bytes + spareBytes;
  for (const { shape, format } of tensors.values()) {
    left -= shape.reduce((product, extent) => product * extent, bytesPerValue[format]);
  }
  if (!(left >= 0)) {
    throw new FoveaError(
      'unsupported',
      `${source}: its tensors share values so often that reading them would take more than ${mostRepeats} times its size`,
    );
  }
  const stored = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) {
    const values = storage(tensor.storage.key);
    if (!values) {
      throw new FoveaError(
        'bad-file',
        `${source}: the values of ${JSON.stringify(name)} are not in the file`,
      );
    }
    stored.set(name, tensor.stored(values, name, source));
  }
  return stored;
}

/**
 * The settings that LASNet's and LAUDNet's scripts store beside the weights as text, `hyper_set`, or as the arguments
 * themselves: granularity per stage or block, the image's side, and which stages skip whole blocks.
 */
function settingsOf(root: unknown): CheckpointConfig {
  if (!(root instanceof Map)) return {};
  const args = root.get('args') ?? root.get('hyper_set');
  const text = (name: string): string | undefined => {
    if (typeof args === 'string') return new RegExp(`\\b${name}='?([\\w-]+)`).exec(args)?.[1];
    const value = args instanceof Namespace ? args.attributes.get(name) : undefined;
    return typeof value === 'string' || typeof value === 'number' ? String(value) : undefined;
  };
  const sides = Number(text('IMAGE_SIZE'));
  const modes = text('dyn_mode')?.split('-');
  const granularity = text('mask_spatial_granularity')
    ?.split('-')
    .map((S, stage) => (modes?.[stage] === 'layer' ? wholeMap : Number(S)));
  return {
    ...(sides >= 1 ? { size: sides } : {}),
    ...(granularity?.every((S) => S >= 1) ? { granularity } : {}),
  };
}

/** A granularity that no map exceeds: the block is computed as a whole or not at all. */
const wholeMap = 65_536;
