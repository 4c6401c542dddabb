/** An input image, ready to be drawn many times. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly color: CanvasImageSource;
  /** The same in shades of gray. */
  readonly gray: CanvasImageSource;
  /** False when the PNG could not be decoded and is replaced by a plain gray area. */
  readonly decoded: boolean;
}

/** Luma of ITU-R BT.709. */
const luma = (r: number, g: number, b: number) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

async function decode(png: string): Promise<HTMLImageElement | undefined> {
  const image = new Image();
  image.src = `data:image/png;base64,${png}`;
  try {
    await image.decode();
    return image;
  } catch {
    return undefined;
  }
}

/** Longest side that is kept; a small file can hold an image that no browser has the memory for. */
const LONGEST_SIDE = 2048;

/**
 * Decodes a PNG given as base64. An image that cannot be decoded becomes a plain area of the declared size, so
 * that its masks can still be looked at. Beyond 2048 pixels a side, an image is kept at a smaller scale.
 */
export async function loadPicture(png: string, width: number, height: number): Promise<Picture> {
  const image = await decode(png);
  const fullWidth = image?.naturalWidth || width;
  const fullHeight = image?.naturalHeight || height;
  const scale = Math.min(1, LONGEST_SIDE / Math.max(fullWidth, fullHeight));
  const w = Math.max(1, Math.round(fullWidth * scale));
  const h = Math.max(1, Math.round(fullHeight * scale));
  const color = new OffscreenCanvas(w, h);
  const context = color.getContext('2d', { willReadFrequently: true })!;
  context.fillStyle = '#8a9099';
  context.fillRect(0, 0, w, h);
  if (image) {
    context.clearRect(0, 0, w, h);
    context.drawImage(image, 0, 0, w, h);
  }
  const pixels = context.getImageData(0, 0, w, h);
  const { data } = pixels;
  for (let at = 0; at < data.length; at += 4) {
    const value = luma(data[at]!, data[at + 1]!, data[at + 2]!);
    data[at] = value;
    data[at + 1] = value;
    data[at + 2] = value;
  }
  const gray = new OffscreenCanvas(w, h);
  gray.getContext('2d')!.putImageData(pixels, 0, 0);
  return { width: w, height: h, color, gray, decoded: image !== undefined };
}

/** Pictures that are kept decoded: a photograph takes 25 MB and more, and a document may have dozens. */
const MOST_KEPT = 4;

/** The pictures of a document: each is decoded when it is first shown, and the last few are kept. */
export class Pictures {
  /** The latest last. */
  private readonly kept = new Map<string, Promise<Picture>>();

  of({
    png,
    width,
    height,
  }: {
    readonly png: string;
    readonly width: number;
    readonly height: number;
  }): Promise<Picture> {
    const picture = this.kept.get(png) ?? loadPicture(png, width, height);
    this.kept.delete(png);
    this.kept.set(png, picture);
    for (const old of this.kept.keys()) {
      if (this.kept.size > MOST_KEPT) this.kept.delete(old);
    }
    return picture;
  }
}
