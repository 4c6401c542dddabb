import {
  type Device,
  type Mask,
  type Network,
  type NetworkDescription,
  type Plan,
  type Profile,
  type Tensor,
  topClasses,
} from '@fovea/engine';
import type { SearchResult } from '@fovea/engine/predict';
import { formatPercent } from '../presentation/index.js';
import {
  latencyBundle,
  type MimeBundle,
  masksBundle,
  mergeBundles,
  pngBundle,
  tableBundle,
} from './bundle.js';
import { latencyDocument, paretoView, strategiesView } from './documents/latency.js';
import { drawMaskGrid } from './draw/mask-grid.js';
import { rasterise } from './draw/raster.js';
import type { NetworkImage } from './images.js';
import type { LatencyDocument, LatencyView, MasksDocument } from './mime.js';
import { isTensor, pictures } from './picture.js';
import {
  deviceTable,
  masksSummaryTable,
  networkTable,
  planTable,
  profileTable,
  tensorTable,
} from './tables/noun-tables.js';
import { searchTables } from './tables/search.js';

/**
 * How the engine's nouns show themselves in a cell. They are recognised by their fields, since the engine
 * knows nothing of notebooks and a value may come from another copy of it.
 * @returns undefined for anything else
 */
export function nounBundle(value: unknown): MimeBundle | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  if (isTensor(value)) return tensorBundle(value);
  if (Array.isArray(value)) return listBundle(value);
  if (isRunResult(value)) return runResultBundle(value);
  if (isProfile(value)) return profileBundle(value);
  if (isNetwork(value) || isNetworkDescription(value)) return tableBundle(networkTable(value));
  if (isSearchResult(value)) return searchBundle(value);
  if (isPlan(value)) return tableBundle(planTable(value));
  if (isMask(value)) return maskListBundle([value]);
  if (isDevice(value)) return tableBundle(deviceTable(value));
  if (isNetworkImage(value)) return tensorBundle(value.tensor, value.name);
  if (isLatencyDocument(value)) return latencyBundle(value);
  if (isMasksDocument(value)) return masksBundle(value);
  if (isLatencyView(value)) return latencyBundle(latencyDocument([value]));
  return undefined;
}

const has = <Key extends string>(value: object, ...keys: readonly Key[]): value is Record<Key, unknown> =>
  keys.every((key) => key in value);

/** Lists of one kind of noun are one display; mixed and empty ones are not ours. */
function listBundle(list: readonly unknown[]): MimeBundle | undefined {
  if (list.length === 0 || list.length > 64) return undefined;
  if (isListOf(list, isProfile)) return latencyBundle(latencyDocument(list));
  if (isListOf(list, isMask)) return maskListBundle(list);
  if (isListOf(list, isLatencyView)) return latencyBundle(latencyDocument(list));
  return undefined;
}

function isListOf<Item extends object>(
  list: readonly unknown[],
  test: (item: object) => item is Item,
): list is readonly Item[] {
  return list.every((item) => typeof item === 'object' && item !== null && test(item));
}

function profileBundle(profile: Profile): MimeBundle {
  return mergeBundles(tableBundle(profileTable(profile)), latencyBundle(latencyDocument(profile)));
}

function maskListBundle(masks: readonly Mask[]): MimeBundle {
  const table = tableBundle(masksSummaryTable(masks));
  const image = rasterise(drawMaskGrid(masks));
  return mergeBundles(
    {
      data: { ...table.data, 'text/html': `${pngImage(image)}\n${table.data['text/html']}` },
      metadata: table.metadata,
    },
    pngBundle(image, ''),
  );
}

const pngImage = ({ png, width, height }: { png: Uint8Array; width: number; height: number }) =>
  `<img width="${width}" height="${height}" alt="masks" src="data:image/png;base64,${Buffer.from(png).toString('base64')}">`;

/** A tensor of one, three or four channels and more than a few pixels is also shown as pictures. */
function tensorBundle(tensor: Tensor, name?: string): MimeBundle {
  const { title, ...statistics } = tensorTable(tensor);
  const table = tableBundle({ ...statistics, title: name === undefined ? title! : `${name}: ${title}` });
  const [N, H, W, C] = tensor.shape;
  if ((C !== 1 && C !== 3 && C !== 4) || H < 8 || W < 8 || N > 16) return table;
  const shown = pictures(tensor, { maxSide: N > 1 ? 192 : 384 });
  const images = shown.map((picture) => pngImage(picture)).join(' ');
  return mergeBundles(
    {
      data: { ...table.data, 'text/html': `<div>${images}</div>\n${table.data['text/html']}` },
      metadata: {},
    },
    pngBundle({ ...shown[0]!, png: Buffer.from(shown[0]!.png) }, ''),
  );
}

/** What a search found: its choices and advice, against dense, and the Pareto front where accuracies were known. */
function searchBundle(result: SearchResult): MimeBundle {
  const { totalMs, denseMs, pareto = [] } = result;
  const bars = strategiesView([{ label: 'best choice per block', origin: 'predicted', totalMs }], {
    title: `${result.network} on ${result.device}`,
    dense: denseMs,
  });
  const front = pareto.map(({ granularity, totalMs: ms, score }) => ({
    label: `S=${granularity.join(',')}`,
    ms,
    score,
  }));
  const views = front.length === 0 ? [bars] : [bars, paretoView(front, { yLabel: 'score' })];
  return mergeBundles(tableBundle(...searchTables(result)), latencyBundle(latencyDocument(views)));
}

function isSearchResult(value: object): value is SearchResult {
  return (
    has(value, 'blocks', 'stages', 'plan', 'denseMs', 'totalMs', 'objective') && Array.isArray(value.stages)
  );
}

function isNetworkImage(value: object): value is NetworkImage {
  return has(value, 'name', 'tensor') && typeof value.name === 'string' && isTensor(value.tensor);
}

interface RunResultLike {
  readonly output: Tensor;
  readonly masks: readonly Mask[];
  readonly profile: Profile;
}

/** A run: the most probable classes, the masks, and where the time went. */
function runResultBundle({ output, masks, profile }: RunResultLike): MimeBundle {
  const classes = Array.from({ length: Math.min(output.shape[0], 8) }, (_, image) =>
    topClasses(output, image, 3)
      .map(({ label, probability }) => `${label} ${formatPercent(probability)}`)
      .join(', '),
  ).filter((line) => line !== '');
  const table = profileTable(profile);
  const notes = classes.map((line, image) => (classes.length > 1 ? `image ${image}: ${line}` : line));
  const timing = mergeBundles(
    tableBundle({ ...table, notes: [...notes, ...(table.notes ?? [])] }),
    latencyBundle(latencyDocument(profile)),
  );
  if (masks.length === 0) return timing;
  const image = rasterise(drawMaskGrid(masks));
  return {
    data: {
      'text/html': `${pngImage(image)}\n${timing.data['text/html']}`,
      'text/plain': timing.data['text/plain'],
      'image/png': Buffer.from(image.png).toString('base64'),
    },
    metadata: { 'image/png': { width: image.width, height: image.height } },
  };
}

function isRunResult(value: object): value is RunResultLike {
  return (
    has(value, 'output', 'masks', 'profile') &&
    isTensor(value.output) &&
    Array.isArray(value.masks) &&
    isListOf(value.masks, isMask) &&
    isObject(value.profile) &&
    isProfile(value.profile)
  );
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

function isProfile(value: object): value is Profile {
  return (
    has(value, 'kind', 'ops', 'blocks', 'totalMs', 'strategy') &&
    (value.kind === 'predicted' || value.kind === 'measured') &&
    Array.isArray(value.ops) &&
    Array.isArray(value.blocks) &&
    typeof value.totalMs === 'number'
  );
}

function isNetwork(value: object): value is Network {
  return has(value, 'nodes', 'inputShape', 'input', 'output', 'notes') && Array.isArray(value.nodes);
}

function isNetworkDescription(value: object): value is NetworkDescription {
  return has(value, 'nodes', 'flops', 'adaptiveFlops', 'parameters') && Array.isArray(value.nodes);
}

function isPlan(value: object): value is Plan {
  return (
    has(value, 'network', 'strategy', 'blocks') &&
    typeof value.network === 'string' &&
    Array.isArray(value.blocks) &&
    value.blocks.every((block) => isObject(block) && has(block, 'groups', 'mode', 'granularity'))
  );
}

function isMask(value: object): value is Mask {
  return (
    has(value, 'cells', 'rows', 'columns', 'granularity', 'batch', 'height', 'width') &&
    value.cells instanceof Uint8Array &&
    value.cells.length === Number(value.batch) * Number(value.rows) * Number(value.columns)
  );
}

function isDevice(value: object): value is Device {
  return has(value, 'processingEngines', 'lanes', 'frequencyHz', 'memoryBandwidth', 'cacheBytes', 'launchMs');
}

function isLatencyDocument(value: object): value is LatencyDocument {
  return (
    has(value, 'version', 'views') &&
    value.version === 1 &&
    Array.isArray(value.views) &&
    isListOf(value.views, isLatencyView)
  );
}

const viewKinds = new Set(['compare', 'breakdown', 'ratio', 'fusion', 'strategies', 'pareto']);

function isLatencyView(value: object): value is LatencyView {
  return (
    has(value, 'kind') &&
    viewKinds.has(String(value.kind)) &&
    ['profiles', 'profile', 'series', 'bars', 'points'].some((key) => key in value)
  );
}

function isMasksDocument(value: object): value is MasksDocument {
  return (
    has(value, 'version', 'network', 'images') &&
    value.version === 1 &&
    Array.isArray(value.images) &&
    value.images.every((image) => isObject(image) && has(image, 'png', 'blocks', 'width', 'height'))
  );
}
