import { cellOf, cellStart } from '@fovea/engine/backend';
import { encode } from 'fast-png';
import { counted, formatPercent } from '../../presentation/index.js';
import type { MasksBlock, MasksDocument } from '../mime.js';
import { card, padding, pageWidth } from './frame.js';
import { colours } from './style.js';
import { type Drawing, element, round, stack } from './svg.js';
import { fitNames, fitText, text } from './text.js';

type DocumentImage = MasksDocument['images'][number];

/** Images drawn of a batch; the others are counted in a last line. */
const mostImages = 4;

/** Pixels along the longer side of the picture that sums up all blocks. */
const overviewSide = 250;

/** Veil over what a block skips: the picture stays recognisable under it. */
const veil = { fill: '#ffffff', 'fill-opacity': 0.8 } as const;

/**
 * Where a network computed: per image, the picture under a heat map of how many blocks were active at each
 * place, and beside it every block's own mask, its skipped cells veiled.
 */
export function drawMasks(document: MasksDocument): Drawing {
  const shown = document.images.slice(0, mostImages);
  const drawings = shown.map((image, index) => drawImage(document, image, index));
  const missing = document.images.length - shown.length;
  if (missing > 0) {
    drawings.push(
      card({ title: '', height: 16 }, (top) =>
        text(padding, top + 12, `and ${counted(missing, 'more image')}`, {
          fill: colours.faint,
        }),
      ),
    );
  }
  return stack(drawings);
}

function drawImage(document: MasksDocument, image: DocumentImage, index: number): Drawing {
  const { width, height } = fitted(image, overviewSide);
  const left = padding + overviewSide + 18;
  const columns = image.blocks.length > 16 ? 6 : 4;
  const pitch = (pageWidth - padding - left + 8) / columns;
  const thumb = fitted(image, pitch - 8);
  const rowHeight = thumb.height + 33;
  const rows = Math.ceil(image.blocks.length / columns);
  const top = (image.top ?? []).map(({ label, probability }) => `${label} ${formatPercent(probability)}`);
  const parts = [document.title ?? document.network, document.strategy, image.name];
  const title = parts.filter((part) => part !== undefined && part !== '').join(' · ');
  const body = Math.max(height + 24 + top.length * 17, rows * rowHeight);
  return card({ title, height: body }, (y) => {
    const picture = placed(image, `${index}`, padding, y, width, height);
    const heat = element('image', {
      x: padding,
      y,
      width,
      height,
      href: `data:image/png;base64,${Buffer.from(activityPng(image.blocks)).toString('base64')}`,
      preserveAspectRatio: 'none',
      'image-rendering': 'optimizeSpeed',
    });
    const lines = [meanRate(image.blocks), ...top].map((line, i) =>
      text(padding, y + height + 17 + i * 17, fitText(line, overviewSide, 12, i === 1), {
        fill: i === 0 ? colours.faint : colours.text,
        bold: i === 1,
      }),
    );
    const names = fitNames(
      image.blocks.map((block) => block.name),
      pitch - 4,
      10,
    );
    const thumbs = image.blocks.map((block, i) => {
      const x = left + (i % columns) * pitch;
      const line = y + Math.floor(i / columns) * rowHeight;
      const figures = `S=${block.granularity} · ${formatPercent(block.rate)}`;
      return [
        placed(image, `${index}`, x, line, thumb.width, thumb.height),
        cellsPath(block, x, line, thumb.width, thumb.height),
        text(x, line + thumb.height + 12, names[i]!, { size: 10 }),
        text(x, line + thumb.height + 24, fitText(figures, pitch - 4, 10), { size: 10, fill: colours.faint }),
      ].join('');
    });
    return definition(image, `${index}`) + picture + heat + lines.join('') + thumbs.join('');
  });
}

function meanRate(blocks: readonly MasksBlock[]): string {
  if (blocks.length === 0) return 'every block ran densely';
  const mean = blocks.reduce((sum, block) => sum + block.rate, 0) / blocks.length;
  return `mean activation rate ${formatPercent(mean)} over ${blocks.length} blocks`;
}

function fitted(image: DocumentImage, side: number): { width: number; height: number } {
  const factor = side / Math.max(image.width, image.height);
  return { width: image.width * factor, height: image.height * factor };
}

/** The picture once in the file, at a size of one; each use places and stretches it. */
function definition(image: DocumentImage, id: string): string {
  const picture = element('image', {
    id: `picture${id}`,
    width: image.width,
    height: image.height,
    href: `data:image/png;base64,${image.png}`,
    preserveAspectRatio: 'none',
  });
  return element('defs', {}, picture);
}

function placed(
  image: DocumentImage,
  id: string,
  x: number,
  y: number,
  width: number,
  height: number,
): string {
  return element('use', {
    href: `#picture${id}`,
    transform: `translate(${round(x)} ${round(y)}) scale(${width / image.width} ${height / image.height})`,
  });
}

/** Width of the lines between computed and skipped cells, pixels. */
const edgeWidth = 0.9;

/** Whether cells are large enough for lines between them: around smaller ones lines would hide the image. */
const hasEdges = ({ rows, columns }: MasksBlock, width: number, height: number): boolean =>
  Math.min(width / columns, height / rows) >= 3 * edgeWidth;

/** A veil over the skipped cells, and a line between computed and skipped. */
function cellsPath(block: MasksBlock, x: number, y: number, width: number, height: number): string {
  const { rows, columns, cells } = block;
  const lineX = (c: number) => round(x + (cellStart(c, block.width, columns) / block.width) * width);
  const lineY = (r: number) => round(y + (cellStart(r, block.height, rows) / block.height) * height);
  const active = (r: number, c: number) =>
    r >= 0 && c >= 0 && r < rows && c < columns && cells[r * columns + c] === '1';
  const isEdged = hasEdges(block, width, height);
  let veiled = '';
  let edges = '';
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      if (active(r, c)) {
        if (!isEdged) continue;
        if (!active(r - 1, c)) edges += `M${lineX(c)} ${lineY(r)}H${lineX(c + 1)}`;
        if (!active(r + 1, c)) edges += `M${lineX(c)} ${lineY(r + 1)}H${lineX(c + 1)}`;
        if (!active(r, c - 1)) edges += `M${lineX(c)} ${lineY(r)}V${lineY(r + 1)}`;
        if (!active(r, c + 1)) edges += `M${lineX(c + 1)} ${lineY(r)}V${lineY(r + 1)}`;
        continue;
      }
      const start = c;
      while (c + 1 < columns && !active(r, c + 1)) c++;
      veiled += `M${lineX(start)} ${lineY(r)}H${lineX(c + 1)}V${lineY(r + 1)}H${lineX(start)}z`;
    }
  }
  return (
    (veiled === '' ? '' : element('path', { d: veiled, ...veil })) +
    (edges === ''
      ? ''
      : element('path', { d: edges, fill: 'none', stroke: colours.accent, 'stroke-width': edgeWidth }))
  );
}

/** Sampling grid of the heat map: fine enough for the finest mask of a 224-pixel image. */
const heatSide = 56;

/** How often each place was computed, over all blocks, as a translucent picture. */
function activityPng(blocks: readonly MasksBlock[]): Uint8Array {
  const data = new Uint8Array(heatSide * heatSide * 4);
  for (let y = 0; y < heatSide; y++) {
    for (let x = 0; x < heatSide; x++) {
      let active = 0;
      for (const { rows, columns, height, width, cells } of blocks) {
        const row = cellOf(Math.floor(((y + 0.5) / heatSide) * height), height, rows);
        const column = cellOf(Math.floor(((x + 0.5) / heatSide) * width), width, columns);
        if (cells[row * columns + column] === '1') active++;
      }
      data.set(heatColour(blocks.length === 0 ? 1 : active / blocks.length), (y * heatSide + x) * 4);
    }
  }
  return encode({ width: heatSide, height: heatSide, channels: 4, data, depth: 8 });
}

/** From a veil where nothing was computed, over bare picture, to warm where everything was. */
function heatColour(fraction: number): readonly [number, number, number, number] {
  if (fraction < 0.5) return [255, 255, 255, Math.round(205 * (1 - 2 * fraction))];
  return [230, 90, 40, Math.round(110 * (2 * fraction - 1))];
}
