import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { decodeImage, imageFileName, imageFormats, refusal, scaleImage } from '@fovea/engine/internal';
import { LRUCache } from 'lru-cache';
import sharp from 'sharp';
import { largestPictureBytes } from '../../presentation/index.js';
import type { LiveCatalogue } from './protocol.js';

/** Side of the small pictures in the catalogue; people paint regions on them. */
export const thumbnailSide = 128;
const mostFiles = 12;

/** Formats of photographs and drawings that people try, and that are not read. */
const otherFormats = /\.(heic|heif|jxl|jp2|bmp)$/i;

/** What became of a file: a small picture as PNG in base64, or why there is none. */
type Outcome = { readonly png: string } | { readonly reason: string };

/** What of a catalogue is about pictures beside the notebook. */
type Found = Pick<LiveCatalogue, 'images' | 'refusedImages' | 'moreImages'>;

/** The pictures beside a notebook. */
export class Pictures {
  readonly #directory: string;
  /** By name, size and time of change. */
  readonly #outcomes = new LRUCache<string, Outcome>({ max: 4 * mostFiles });

  /** Names that somebody has asked for. */
  readonly #wanted = new Set<string>();

  /** @param directory the notebook's */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Where a picture is. */
  pathOf(name: string): string {
    return join(this.#directory, name);
  }

  /** A file that is looked at from now on, beyond the first pictures by name, and refused with a reason if it is none. */
  want(name: string): void {
    this.#wanted.add(name);
  }

  /**
   * A picture's name, and what its file is like now.
   * @throws FoveaError `unknown-name` where it is not offered
   */
  async keyOf(name: string): Promise<string> {
    const isThere = (await this.#names()).offered.includes(name);
    const found = isThere ? await stat(this.pathOf(name)).catch(() => undefined) : undefined;
    if (!found)
      throw new FoveaError(
        'unknown-name',
        `no image "${name}" in this notebook's folder or among the samples`,
      );
    return keyText(name, found);
  }

  /** Small versions of the pictures, cropped as networks see them, and what is said of those that are left out. */
  async find(): Promise<Found> {
    const { offered, others, more } = await this.#names();
    const images: { name: string; png: string }[] = [];
    const refused: { name: string; reason: string }[] = others.map((name) => ({
      name,
      reason: `${name} is of a format that is not read: ${imageFormats} are accepted`,
    }));
    // One after the other: a photograph takes a hundred megabytes while it is unpacked.
    for (const name of offered) {
      const outcome = await this.#outcomeOf(name);
      if (outcome && 'png' in outcome) images.push({ name, ...outcome });
      else if (outcome) refused.push({ name, ...outcome });
    }
    return {
      images,
      ...(refused.length > 0 ? { refusedImages: refused } : {}),
      ...(more > 0 ? { moreImages: more } : {}),
    };
  }

  async #names(): Promise<{ offered: string[]; others: string[]; more: number }> {
    const entries = await readdir(this.#directory, { withFileTypes: true }).catch(() => []);
    const names = entries.flatMap((entry) => (entry.isDirectory() ? [] : [entry.name])).sort();
    const pictures = names.filter((name) => imageFileName.test(name));
    const others = names.filter(
      (name) => otherFormats.test(name) || (this.#wanted.has(name) && !imageFileName.test(name)),
    );
    const lookedAt = (all: readonly string[]) =>
      all.filter((name, index) => index < mostFiles || this.#wanted.has(name));
    const [offered, refused] = [lookedAt(pictures), lookedAt(others)];
    return {
      offered,
      others: refused,
      more: pictures.length - offered.length + others.length - refused.length,
    };
  }

  /** Undefined for a file that was deleted in the meantime. */
  async #outcomeOf(name: string): Promise<Outcome | undefined> {
    const path = this.pathOf(name);
    const found = await stat(path).catch(() => undefined);
    if (!found?.isFile()) return undefined;
    const key = keyText(name, found);
    const kept = this.#outcomes.get(key);
    if (kept) return kept;
    if (found.size > largestPictureBytes) {
      const megabytes = Math.ceil(found.size / 1e6);
      return {
        reason: `${name} has ${megabytes} MB; pictures of up to ${largestPictureBytes / 1e6} MB are accepted`,
      };
    }
    let bytes: Uint8Array;
    try {
      bytes = await readFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      return { reason: `${name} cannot be read: ${refusal(error, 'file')}` };
    }
    const outcome = await thumbnailOf(bytes, name);
    this.#outcomes.set(key, outcome);
    return outcome;
  }
}

const keyText = (name: string, { size, mtimeMs }: { size: number; mtimeMs: number }) =>
  `${name} ${size} ${mtimeMs}`;

async function thumbnailOf(bytes: Uint8Array, name: string): Promise<Outcome> {
  try {
    const image = await decodeImage(bytes, name);
    const cropped = await scaleImage(image, { height: thumbnailSide, width: thumbnailSide });
    return { png: await thumbnail(cropped, thumbnailSide) };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

/** A square's bytes as a PNG in base64; a palette is enough to choose and paint by. */
export async function thumbnail(pixels: Uint8Array, side: number): Promise<string> {
  const image = sharp(pixels, { raw: { width: side, height: side, channels: 3 } });
  return (await image.png({ palette: true }).toBuffer()).toString('base64');
}
