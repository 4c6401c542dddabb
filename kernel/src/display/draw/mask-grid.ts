import type { Mask } from '@fovea/engine';
import { cellStart } from '@fovea/engine/backend';
import { card, padding, pageWidth } from './frame.js';
import { colours } from './style.js';
import { type Drawing, element, round } from './svg.js';
import { fitText, text } from './text.js';

/** Longer side of one mask, pixels. */
const side = 84;
const pitch = side + 10;

/** Masks drawn; of larger lists the first ones. */
const mostMasks = 49;

/** Masks without their image, side by side: active cells filled. Of a batch the first image is drawn. */
export function drawMaskGrid(masks: readonly Mask[]): Drawing {
  const shown = masks.slice(0, mostMasks);
  const columns = Math.floor((pageWidth - 2 * padding + 10) / pitch);
  const rowHeight = side + 22;
  const rows = Math.ceil(shown.length / columns);
  const width = Math.max(side + 2 * padding, Math.min(shown.length, columns) * pitch - 10 + 2 * padding);
  return card({ title: '', height: rows * rowHeight, width }, (top) =>
    shown
      .map((mask, i) => {
        const x = padding + (i % columns) * pitch;
        const y = top + Math.floor(i / columns) * rowHeight;
        const label = `block ${mask.block}, S=${mask.granularity}`;
        return (
          drawCells(mask, x, y) +
          text(x, y + side + 13, fitText(label, side, 10), { size: 10, fill: colours.faint })
        );
      })
      .join(''),
  );
}

function drawCells(mask: Mask, x: number, y: number): string {
  const { rows, columns, height, width, cells } = mask;
  const scale = side / Math.max(height, width);
  let active = '';
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      if (!cells[r * columns + c]) continue;
      const left = cellStart(c, width, columns) * scale;
      const top = cellStart(r, height, rows) * scale;
      active += `M${round(x + left)} ${round(y + top)}H${round(x + cellStart(c + 1, width, columns) * scale)}V${round(y + cellStart(r + 1, height, rows) * scale)}H${round(x + left)}z`;
    }
  }
  return (
    element('rect', { x, y, width: width * scale, height: height * scale, fill: colours.grid }) +
    (active === '' ? '' : element('path', { d: active, fill: colours.compute }))
  );
}
