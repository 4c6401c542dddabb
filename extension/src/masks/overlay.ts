import type { MasksBlock } from '../documents/types';
import { element } from '../dom';
import { followPointer } from '../pointing';
import { type Cell, cellAt, cellBelow, cellEdges } from './geometry';
import { type OverlayStyle, paintBlock } from './paint';
import type { Picture } from './picture';

export interface OverlayOptions {
  /** Called with the cell that the pointer or the cell cursor is on, `undefined` when there is none. */
  onCell(cell: Cell | undefined, byKeyboard: boolean): void;
}

/**
 * The input image with one block's mask over it, as wide as its place allows. The pointer, or Shift with the
 * arrow keys, picks a cell.
 */
export class Overlay {
  readonly node: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  private readonly marker: HTMLElement;
  private readonly observer: ResizeObserver;
  private picture: Picture | undefined;
  private block: MasksBlock | undefined;
  private style: OverlayStyle | undefined;
  private cell: Cell | undefined;

  constructor(private readonly options: OverlayOptions) {
    this.canvas = element('canvas', { class: 'fovea-canvas', role: 'img' });
    this.marker = element('div', { class: 'fovea-cell-marker', hidden: true });
    this.node = element('div', { class: 'fovea-overlay' }, this.canvas, this.marker);
    followPointer(
      this.node,
      (event) => this.hover(event),
      () => this.pick(undefined, false),
    );
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.node);
  }

  dispose(): void {
    this.observer.disconnect();
  }

  /** Shows a block; `label` is what a screen reader says of the picture. */
  show(picture: Picture, block: MasksBlock | undefined, style: OverlayStyle, label: string): void {
    const moved = block !== this.block;
    this.picture = picture;
    this.block = block;
    this.style = style;
    this.node.style.setProperty('--fovea-aspect', String(picture.width / picture.height));
    this.canvas.setAttribute('aria-label', label);
    this.draw();
    if (moved) this.pick(undefined, false);
  }

  /** Moves the cell cursor; the first move puts it on the middle of the grid. */
  moveCell(rows: number, columns: number): void {
    const block = this.block;
    if (!block) return;
    const clamp = (value: number, count: number) => Math.min(count - 1, Math.max(0, value));
    const from = this.cell;
    const row = from ? clamp(from.row + rows, block.rows) : Math.floor(block.rows / 2);
    const column = from ? clamp(from.column + columns, block.columns) : Math.floor(block.columns / 2);
    this.pick(cellAt(block, row, column), true);
  }

  private hover(event: PointerEvent): void {
    if (!this.block) return;
    const box = this.canvas.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    this.pick(x < 0 || y < 0 || x >= 1 || y >= 1 ? undefined : cellBelow(this.block, x, y), false);
  }

  private pick(cell: Cell | undefined, byKeyboard: boolean): void {
    if (cell?.row === this.cell?.row && cell?.column === this.cell?.column && !byKeyboard) return;
    this.cell = cell;
    this.marker.hidden = !cell;
    if (cell && this.block) {
      const box = this.canvas.getBoundingClientRect();
      const x = cellEdges(this.block.columns, this.block.width, box.width);
      const y = cellEdges(this.block.rows, this.block.height, box.height);
      Object.assign(this.marker.style, {
        left: `${x[cell.column]}px`,
        top: `${y[cell.row]}px`,
        width: `${x[cell.column + 1]! - x[cell.column]!}px`,
        height: `${y[cell.row + 1]! - y[cell.row]!}px`,
      });
    }
    this.options.onCell(cell, byKeyboard);
  }

  private draw(): void {
    const { picture, block, style } = this;
    if (!picture || !style) return;
    const context = fitCanvas(this.canvas, this.node.clientWidth, picture.height / picture.width);
    if (!context) return;
    const ratio = window.devicePixelRatio || 1;
    if (block) paintBlock(context, picture, block, style, Math.max(1, Math.round(1.5 * ratio)));
    else context.drawImage(picture.color, 0, 0, this.canvas.width, this.canvas.height);
  }
}

/**
 * Gives a canvas as many pixels as the screen has below `width` CSS pixels.
 *
 * @returns its context, or undefined while it has no size.
 */
export function fitCanvas(
  canvas: HTMLCanvasElement,
  width: number,
  aspect: number,
): CanvasRenderingContext2D | undefined {
  if (width <= 0) return undefined;
  const ratio = window.devicePixelRatio || 1;
  const w = Math.max(1, Math.round(width * ratio));
  const h = Math.max(1, Math.round(width * aspect * ratio));
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  return canvas.getContext('2d') ?? undefined;
}
