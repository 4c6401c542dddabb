import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FoveaError, type Network } from '@fovea/engine';
import {
  decodeImage,
  type ImageSize,
  imageChannels,
  readFileBytes,
  scaleImage,
  statisticsOf,
} from '@fovea/engine/internal';
import { type Dataset, generateDataset } from '@fovea/engine/train';
import { openModel } from '../../cli/options/model.js';
import { networkMaterial } from '../material.js';
import { type Point, sha256Of } from '../point.js';
import type { Manifest } from '../space/manifest.js';

/** Where the files of materials are on this machine: by content hash, the file to open. */
export type MaterialPaths = Readonly<Record<string, string>>;

/** What a point needs to be computed. */
export interface PointContext {
  readonly materials: MaterialPaths;
  readonly onProgress: (fraction: number) => void;
}

/** The network opened last: points come network by network. */
let opened: { readonly key: string; readonly network: Network } | undefined;

/**
 * The network of a point, kept open for the next one.
 * @throws FoveaError `bad-file` for a file that has changed since the point was made: its results would be kept as those of the
 *   earlier one
 */
export async function networkOf(
  { network: name, sha256 }: Point,
  materials: MaterialPaths,
): Promise<Network> {
  const key = sha256 ?? name!;
  if (opened?.key === key) return opened.network;
  const network = sha256 === undefined ? await openModel(name!) : await openFile(sha256, materials);
  opened = { key, network };
  return network;
}

async function openFile(sha256: string, materials: MaterialPaths): Promise<Network> {
  const path = pathOf(sha256, materials);
  const network = await openModel(path);
  // Looked at behind the reading: what changes in between is noticed too.
  if ((await networkMaterial(path, existsSync)).sha256 !== sha256)
    throw new FoveaError('bad-file', `${path} has changed since the sweep was started; start it again`);
  return network;
}

function pathOf(sha256: string, materials: MaterialPaths): string {
  const path = materials[sha256];
  if (path === undefined) throw new FoveaError('io', `the material ${sha256} was not handed to this worker`);
  return path;
}

/**
 * The images of a point, drawn or read from the files of its manifest, scaled and normalised as the network says.
 * @throws FoveaError `bad-argument` for a network that takes no images, `io` for a file that is missing, `bad-file` for one that is not the listed one
 */
export async function datasetOf(
  { data }: Point,
  network: Network,
  { materials, onProgress }: PointContext,
): Promise<Dataset> {
  imageChannels(network);
  const { height, width } = network.inputShape;
  const how = network.preprocessing;
  const statistics = statisticsOf(how ?? {});
  if (!data || 'seed' in data) {
    const scenes = await drawn(data?.seed ?? 0, data?.images ?? 1, { height, width });
    return { ...scenes, ...statistics };
  }
  const text = await readFile(pathOf(data.manifest, materials), 'utf8');
  if (sha256Of(text) !== data.manifest)
    throw new FoveaError('bad-file', `the manifest ${data.manifest} is not what was handed in`);
  const { root, labels, files } = JSON.parse(text) as Manifest;
  const chosen = files.slice(data.from, data.to);
  const pixels = new Uint8Array(chosen.length * height * width * 3);
  for (const [i, [file, , bytes]] of chosen.entries()) {
    const path = join(root, file);
    const content = await readFileBytes(path);
    if (content.length !== bytes)
      throw new FoveaError('bad-file', `${path} is not the file that was listed: it has another size`);
    const image = await decodeImage(content, path);
    pixels.set(await scaleImage(image, { ...how, height, width }), i * height * width * 3);
    onProgress((0.3 * (i + 1)) / chosen.length);
  }
  return {
    ...{ height, width, labels, pixels, count: chosen.length, ...statistics },
    targets: Int32Array.from(chosen, ([, label]) => label),
  };
}

/** The images drawn last: all points of a sweep often look at the same ones. */
let lastDrawn: { readonly key: string; readonly dataset: Dataset } | undefined;

async function drawn(seed: number, count: number, size: ImageSize): Promise<Dataset> {
  const key = `${seed} ${count} ${size.height} ${size.width}`;
  if (lastDrawn?.key !== key) lastDrawn = { key, dataset: await generateDataset({ seed, count, size }) };
  return lastDrawn.dataset;
}
