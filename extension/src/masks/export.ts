import { counted, formatPercent } from '@fovea/kernel/presentation';
import type { MasksBlock } from '../documents/types';
import { css, heatColor } from './colors';
import { computeHeat } from './heat';
import { type OverlayStyle, paintBlock, paintHeat } from './paint';
import type { Picture } from './picture';
import { byStage } from './summary';

/** Shortest side of a saved overlay; small images are enlarged by whole factors so that pixels stay square. */
const LEAST_SIDE = 768;

/** Longest side of a saved overlay, for images that are very long and narrow. */
const MOST_SIDE = 8192;

const FONT = 'system-ui, -apple-system, "Segoe UI", Helvetica, Arial, sans-serif';

function canvasFor(picture: Picture, side: number): CanvasRenderingContext2D {
  const wanted = Math.ceil(side / Math.min(picture.width, picture.height));
  const factor = Math.max(
    1,
    Math.min(wanted, Math.floor(MOST_SIDE / Math.max(picture.width, picture.height))),
  );
  const canvas = document.createElement('canvas');
  canvas.width = picture.width * factor;
  canvas.height = picture.height * factor;
  return canvas.getContext('2d')!;
}

function toBlob(canvas: HTMLCanvasElement): Promise<Blob> {
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('The browser could not create a PNG.'))),
      'image/png',
    );
  });
}

/** One block's mask over its image, at a whole multiple of the image's size. */
export function blockPng(picture: Picture, block: MasksBlock, style: OverlayStyle): Promise<Blob> {
  const context = canvasFor(picture, LEAST_SIDE);
  paintBlock(context, picture, block, style, 2);
  return toBlob(context.canvas);
}

/** The heat map with its scale below. */
export function heatPng(picture: Picture, blocks: readonly MasksBlock[], opacity: number): Promise<Blob> {
  const drawn = canvasFor(picture, LEAST_SIDE);
  const heat = computeHeat(blocks, picture.width, picture.height);
  paintHeat(drawn, picture, heat, opacity);
  const canvas = document.createElement('canvas');
  const { width, height } = drawn.canvas;
  canvas.width = width;
  canvas.height = height + 64;
  const context = canvas.getContext('2d')!;
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(drawn.canvas, 0, 0);
  const ramp = context.createLinearGradient(24, 0, width - 24, 0);
  for (let step = 0; step <= 10; step++) ramp.addColorStop(step / 10, css(heatColor(step / 10)));
  context.fillStyle = ramp;
  context.fillRect(24, height + 12, width - 48, 12);
  context.fillStyle = '#303030';
  context.font = `18px ${FONT}`;
  context.fillText('0', 24, height + 48);
  context.textAlign = 'right';
  context.fillText(counted(heat.blocks, 'block'), width - 24, height + 48);
  return toBlob(canvas);
}

/** A contact sheet: one row of small multiples for every stage. */
export function sheetPng(
  picture: Picture,
  blocks: readonly MasksBlock[],
  style: OverlayStyle,
): Promise<Blob> {
  const side = 224;
  const tall = Math.max(1, Math.round((side * picture.height) / picture.width));
  const gap = 16;
  const perRow = 6;
  const stages = byStage(blocks);
  const rowsOf = (count: number) => Math.ceil(count / perRow);
  const rowHeight = tall + 28 + gap;
  const canvas = document.createElement('canvas');
  canvas.width = gap + perRow * (side + gap);
  canvas.height = gap + stages.reduce((sum, stage) => sum + 36 + rowsOf(stage.blocks.length) * rowHeight, 0);
  const context = canvas.getContext('2d')!;
  context.fillStyle = '#ffffff';
  context.fillRect(0, 0, canvas.width, canvas.height);
  const tile = document.createElement('canvas');
  tile.width = side;
  tile.height = tall;
  let top = gap;
  for (const stage of stages) {
    context.fillStyle = '#202020';
    context.font = `600 20px ${FONT}`;
    context.fillText(`Stage ${stage.stage + 1}`, gap, top + 20);
    top += 36;
    stage.blocks.forEach(({ block }, index) => {
      const left = gap + (index % perRow) * (side + gap);
      const y = top + Math.floor(index / perRow) * rowHeight;
      paintBlock(tile.getContext('2d')!, picture, block, style);
      context.drawImage(tile, left, y);
      context.fillStyle = '#404040';
      context.font = `15px ${FONT}`;
      context.fillText(`${formatPercent(block.rate)}  S ${block.granularity}`, left, y + tall + 20);
    });
    top += rowsOf(stage.blocks.length) * rowHeight;
  }
  return toBlob(canvas);
}
