import {
  blocksOf,
  builtNetwork,
  deviceNames,
  FoveaError,
  getDevice,
  loadShippedModel,
  type Network,
  shippedModelNames,
  strategyNames,
} from '@fovea/engine';
import { networkShapes } from '@fovea/engine/backend';
import { defaultMasker, defaultThreads, shippedModelPath, stageCount } from '@fovea/engine/internal';
import { readCalibration } from '@fovea/engine/predict';
import { LRUCache } from 'lru-cache';
import { drawSample, type NetworkImage, readImage, sampleImage, sampleImageNames } from '../images.js';
import { Pictures, thumbnail, thumbnailSide } from './pictures.js';
import type { LiveCatalogue, LiveDevice, LiveState } from './protocol.js';

type Entry = LiveCatalogue['networks'][number];

/**
 * Architectures offered beside trained networks, with the side of each stage's output map at the nominal
 * input: found without making millions of random weights for a list.
 */
export const offeredArchitectures: Readonly<Record<string, readonly number[]>> = {
  resnet18: [56, 28, 14, 7],
  resnet50: [56, 28, 14, 7],
  resnet101: [56, 28, 14, 7],
  regnet_y_400mf: [56, 28, 14, 7],
};

/** Images kept as networks take them, of half a megabyte and more each; a picture that changes is another one. */
const KEPT_IMAGES = 32;

/** The machine's own device, when it has been calibrated. */
export const thisMachineName = 'this-machine';

/** Where a network came from, so that code can be written that gets it again. */
export type NetworkOrigin =
  | { readonly kind: 'shipped' | 'built'; readonly network: Network }
  /** Handed over in a cell, under the name of its variable. */
  | { readonly kind: 'own'; readonly network: Network };

export interface LibraryContents {
  /** Networks of one's own, by the names of their variables. */
  readonly networks?: Readonly<Record<string, Network>>;
}

/** The networks and images that the live panel can choose from; each is made when it is first used. */
export class LiveLibrary {
  readonly #pictures: Pictures;
  readonly #networks = new Map<string, Promise<NetworkOrigin>>();
  readonly #images = new LRUCache<string, Promise<NetworkImage>>({ max: KEPT_IMAGES });
  readonly #own = new Map<string, Network>();
  #drawn: Promise<{ name: string; png: string }[]> | undefined;

  /** @param directory where pictures are looked for, beside the notebook */
  constructor(directory: string) {
    this.#pictures = new Pictures(directory);
  }

  /** Adds networks of one's own; a name that is there already is replaced. */
  add(contents: LibraryContents): void {
    const unknown = Object.keys(contents).find((field) => field !== 'networks');
    if (unknown !== undefined) {
      throw new FoveaError(
        'bad-argument',
        `the live panel's contents have a field "${unknown}": { networks: { network } } is accepted`,
      );
    }
    for (const [name, network] of Object.entries(contents.networks ?? {})) {
      if (!/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name)) {
        throw new FoveaError('bad-argument', `network name "${name}": the name of its variable is accepted`);
      }
      this.#own.set(name, network);
      this.#networks.delete(name);
    }
  }

  /** Looks at a file beside the notebook from now on, however many pictures there are. */
  wantPicture(name: string): void {
    this.#pictures.want(name);
  }

  /** @throws FoveaError `unknown-name` */
  network(name: string): Promise<NetworkOrigin> {
    let found = this.#networks.get(name);
    if (found === undefined) {
      found = this.#open(name);
      this.#networks.set(name, found);
      found.catch(() => this.#networks.delete(name));
    }
    return found;
  }

  async #open(name: string): Promise<NetworkOrigin> {
    const own = this.#own.get(name);
    if (own !== undefined) return { kind: 'own', network: own };
    if (Object.hasOwn(offeredArchitectures, name)) return { kind: 'built', network: builtNetwork(name) };
    return { kind: 'shipped', network: await loadShippedModel(name) };
  }

  /**
   * An image at a network's input size.
   * @throws FoveaError `unknown-name` when it is neither a sample nor a picture beside the notebook
   */
  async image(name: string, network: Network): Promise<NetworkImage> {
    const { inputShape, preprocessing } = network;
    const isSample = sampleImageNames.includes(name);
    const key = JSON.stringify([
      inputShape,
      preprocessing,
      isSample ? name : await this.#pictures.keyOf(name),
    ]);
    let found = this.#images.get(key);
    if (found === undefined) {
      found = isSample ? sampleImage(name, network) : readImage(this.#pictures.pathOf(name), network);
      this.#images.set(key, found);
      found.catch(() => this.#images.delete(key));
    }
    return found;
  }

  /** Everything that can be chosen, and what to begin with. */
  async catalogue(): Promise<LiveCatalogue> {
    this.#drawn ??= this.#samples();
    const networks = await this.#entries();
    const found = await this.#pictures.find();
    const first = networks[0]!;
    const devices = offeredDevices();
    const { granularity, ...entry } = first;
    const state: LiveState = {
      network: entry.name,
      image: sampleImageNames[0]!,
      device: devices.find(({ kind }) => kind !== 'other')!.name,
      strategy: 'streamed',
      granularity,
      masker: entry.learned ? 'learned' : 'saliency',
      rate: 0.5,
      threads: defaultThreads(),
    };
    return {
      networks: networks.map(({ name, stages, learned, maps }) => ({ name, stages, learned, maps })),
      ...found,
      images: [...(await this.#drawn), ...found.images],
      devices,
      strategies: strategyNames(),
      maxThreads: defaultThreads(),
      state,
    };
  }

  async #entries(): Promise<(Entry & { granularity: readonly number[] })[]> {
    const named = [
      ...this.#own.keys(),
      ...shippedModelNames.filter((name) => {
        try {
          return shippedModelPath(name) !== '';
        } catch {
          return false;
        }
      }),
    ];
    const entries = await Promise.all(
      named.map(async (name) => describeEntry(name, (await this.network(name)).network)),
    );
    const built = Object.entries(offeredArchitectures).map(([name, sides]) => ({
      name,
      stages: sides.length,
      learned: false,
      maps: sides.map((side) => ({ height: side, width: side })),
      granularity: sides.map((side) => Math.max(1, side / 7)),
    }));
    return [...entries, ...built.filter(({ name }) => !named.includes(name))];
  }

  #samples(): Promise<{ name: string; png: string }[]> {
    return Promise.all(
      sampleImageNames.map(async (name) => {
        const { pixels, size } = drawSample(name, thumbnailSide);
        return { name, png: await thumbnail(pixels, size) };
      }),
    );
  }
}

/** What can be predicted for: this machine first, where it has been calibrated. */
function offeredDevices(): LiveDevice[] {
  const shipped = deviceNames().map(
    (name): LiveDevice => ({ name, kind: getDevice(name).kind === 'cpu' ? 'generic-cpu' : 'other' }),
  );
  return readCalibration().device ? [{ name: thisMachineName, kind: 'this-machine' }, ...shipped] : shipped;
}

/** A network as the catalogue lists it, with the S to begin with: as trained, or a grid of about seven cells. */
function describeEntry(name: string, network: Network): Entry & { granularity: readonly number[] } {
  const blocks = blocksOf(network);
  const { height, width } = network.inputShape;
  const shapes = networkShapes(network, { batch: 1, height, width });
  const last = Array.from({ length: stageCount(network) }, (_, stage) =>
    blocks.findLast((block) => block.stage === stage),
  );
  const maps = last.map((block) => {
    const shape = block && shapes.blocks[block.index];
    return { height: shape?.outHeight ?? 1, width: shape?.outWidth ?? 1 };
  });
  return {
    name,
    stages: maps.length,
    learned: defaultMasker(network) === 'learned',
    maps,
    granularity: maps.map((map, stage) => {
      const trained = last[stage]?.granularity;
      const side = Math.min(map.height, map.width);
      return trained !== undefined && Number.isFinite(trained) ? trained : Math.max(1, Math.floor(side / 7));
    }),
  };
}
