import type { MasksBlock } from '../documents/types';
import { css, heatColor, TINT, VEIL } from './colors';
import { cellEdges, outline, type Rectangle, runs } from './geometry';
import type { Heat } from './heat';
import type { Picture } from './picture';

export type Emphasis = 'dim' | 'tint';

/** How a mask is drawn over its image. */
export interface OverlayStyle {
  /** 0 shows the bare image, 1 the strongest contrast. */
  readonly opacity: number;
  /** Dim what is skipped, or tint what runs. */
  readonly emphasis: Emphasis;
  /** Lines between the cells. */
  readonly grid: boolean;
}

type Context = CanvasRenderingContext2D;

/** Cells of fewer line widths than this have no lines around them, which would hide the image. */
const CELL_LINE_WIDTHS = 3;

function fill(context: Context, areas: readonly Rectangle[], color: string): void {
  context.fillStyle = color;
  for (const { left, top, right, bottom } of areas) context.fillRect(left, top, right - left, bottom - top);
}

function stroke(context: Context, lines: readonly Rectangle[], color: string, width: number): void {
  context.fillStyle = color;
  const half = width / 2;
  for (const { left, top, right, bottom } of lines) {
    context.fillRect(
      Math.round(left - half),
      Math.round(top - half),
      Math.max(width, right - left + (top === bottom ? width : 0)),
      Math.max(width, bottom - top + (left === right ? width : 0)),
    );
  }
}

/** Draws the input image over the whole canvas; small images keep their pixels visible. */
export function paintPicture(context: Context, picture: Picture, gray = false): void {
  const { width, height } = context.canvas;
  context.imageSmoothingEnabled = width < picture.width * 4;
  context.imageSmoothingQuality = 'high';
  context.drawImage(gray ? picture.gray : picture.color, 0, 0, width, height);
}

/**
 * Draws one block's mask over the image, filling the canvas. Cell edges fall on whole canvas pixels, at
 * `round(start · size / extent)` of each cell's first map pixel.
 */
export function paintBlock(
  context: Context,
  picture: Picture,
  block: MasksBlock,
  style: OverlayStyle,
  lineWidth = 1,
): void {
  const { width, height } = context.canvas;
  const { opacity, emphasis, grid } = style;
  const cell = Math.min(width / block.columns, height / block.rows);
  context.clearRect(0, 0, width, height);
  paintPicture(context, picture);
  if (emphasis === 'dim') {
    const skipped = runs(block, '0', width, height);
    context.save();
    context.beginPath();
    for (const { left, top, right, bottom } of skipped) context.rect(left, top, right - left, bottom - top);
    context.clip();
    context.globalAlpha = opacity;
    paintPicture(context, picture, true);
    context.restore();
    fill(context, skipped, css(VEIL, opacity * 0.8));
  } else {
    fill(context, runs(block, '1', width, height), css(TINT, opacity * 0.75));
  }
  if (grid && cell >= CELL_LINE_WIDTHS) {
    const x = cellEdges(block.columns, block.width, width).slice(1, -1);
    const y = cellEdges(block.rows, block.height, height).slice(1, -1);
    const lines = [
      ...x.map((at) => ({ left: at, right: at, top: 0, bottom: height })),
      ...y.map((at) => ({ left: 0, right: width, top: at, bottom: at })),
    ];
    stroke(context, lines, 'rgba(255, 255, 255, 0.28)', 1);
  }
  if (opacity > 0 && cell >= CELL_LINE_WIDTHS * lineWidth) {
    const edge = emphasis === 'dim' ? 'rgba(255, 255, 255, 0.9)' : css(TINT, 0.95);
    stroke(context, outline(block, width, height), edge, lineWidth);
  }
}

/** Draws how many blocks ran at each pixel, over the image without its colours. */
export function paintHeat(context: Context, picture: Picture, heat: Heat, opacity: number): void {
  const { width, height } = context.canvas;
  context.clearRect(0, 0, width, height);
  paintPicture(context, picture, true);
  const raster = new OffscreenCanvas(heat.width, heat.height);
  const small = raster.getContext('2d')!;
  const pixels = small.createImageData(heat.width, heat.height);
  const colors = Array.from({ length: heat.blocks + 1 }, (_, count) =>
    heatColor(heat.blocks === 0 ? 0 : count / heat.blocks),
  );
  heat.counts.forEach((count, index) => {
    pixels.data.set(colors[count]!, index * 4);
    pixels.data[index * 4 + 3] = 255;
  });
  small.putImageData(pixels, 0, 0);
  context.save();
  context.globalAlpha = opacity;
  context.imageSmoothingEnabled = false;
  context.drawImage(raster, 0, 0, width, height);
  context.restore();
}
