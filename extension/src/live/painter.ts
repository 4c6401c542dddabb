import { formatPercent } from '@fovea/kernel/presentation';
import { arrowDirection, button, type Control, slider, toggle } from '../controls';
import { element } from '../dom';
import { fitCanvas } from '../masks/overlay';
import { type OverlayStyle, paintBlock } from '../masks/paint';
import type { Picture } from '../masks/picture';
import { brush, coverage, emptyRegion, type Point, type Region, regionBlock } from './region';

const HELP =
  'Paint where the network computes. Arrow keys move the brush, Space paints, E switches to erasing, + and − change the size, Delete clears.';

/** The input image, to paint a region on: with the pointer, or with the keyboard. */
export class Painter {
  readonly node: HTMLElement;
  readonly canvas = element('canvas', { class: 'fovea-canvas', 'aria-hidden': 'true' });
  private readonly ring = element('div', { class: 'fovea-brush', hidden: true });
  private readonly place: HTMLElement;
  private readonly says = element('p', { class: 'fovea-readout', 'aria-live': 'polite' });
  private readonly size: Control<number>;
  private readonly eraser: Control<boolean>;
  private readonly observer: ResizeObserver;
  private picture: Picture | undefined;
  private region: Region = emptyRegion(1, 1);
  private radius = 0.09;
  private erase = false;
  /** Where each stroke that is under way has got to, by its pointer: fingers paint a stroke each. */
  private readonly strokes = new Map<number, Point>();
  private cursor: Point = { x: 0.5, y: 0.5 };

  constructor(private readonly onPaint: (region: Region) => void) {
    this.place = element(
      'div',
      {
        class: 'fovea-overlay fovea-paintable',
        tabindex: 0,
        role: 'application',
        'aria-roledescription': 'painting area',
        'aria-label': HELP,
      },
      this.canvas,
      this.ring,
    );
    this.size = slider({
      label: 'Brush',
      min: 0.02,
      max: 0.3,
      step: 0.01,
      value: this.radius,
      format: (value) => formatPercent(value * 2),
      onInput: (value) => {
        this.radius = value;
        this.showRing();
      },
    });
    this.eraser = toggle({
      label: 'Erase',
      value: false,
      onChange: (value) => {
        this.erase = value;
      },
    });
    this.node = element(
      'div',
      { class: 'fovea-painter' },
      this.place,
      this.says,
      element(
        'div',
        { class: 'fovea-toolbar', role: 'group', 'aria-label': 'Brush' },
        this.size.node,
        this.eraser.node,
        button('Clear', () => this.clear(), 'Remove the whole region'),
      ),
    );
    this.place.addEventListener('pointerdown', (event) => this.onPointer(event, true));
    this.place.addEventListener('pointermove', (event) => this.onPointer(event, false));
    this.place.addEventListener('pointerup', ({ pointerId }) => this.strokes.delete(pointerId));
    this.place.addEventListener('pointercancel', ({ pointerId }) => this.strokes.delete(pointerId));
    this.place.addEventListener('pointerleave', () => {
      this.ring.hidden = document.activeElement !== this.place;
    });
    this.place.addEventListener('focus', () => this.showRing());
    this.place.addEventListener('blur', () => {
      this.ring.hidden = true;
    });
    this.place.addEventListener('keydown', (event) => this.onKey(event));
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.place);
  }

  dispose(): void {
    this.observer.disconnect();
  }

  /** Whether a stroke is under way; a view does not replace the region below it. */
  get isPainting(): boolean {
    return this.strokes.size > 0;
  }

  /** Shows an image and the region on it. */
  show(picture: Picture, region: Region): void {
    this.picture = picture;
    this.region = region;
    this.place.style.setProperty('--fovea-aspect', String(picture.width / picture.height));
    this.draw();
    this.say();
  }

  private say(): void {
    const covered = coverage(this.region);
    this.says.textContent =
      covered === 0
        ? 'Paint where the network should compute.'
        : `${formatPercent(covered)} of the image inside.`;
  }

  private paint(from: Point, to: Point): void {
    this.region = brush(this.region, from, to, this.radius, this.erase);
    this.draw();
    this.say();
    this.onPaint(this.region);
  }

  private clear(): void {
    this.region = { ...this.region, cells: new Uint8Array(this.region.cells.length) };
    this.draw();
    this.say();
    this.onPaint(this.region);
  }

  private onPointer(event: PointerEvent, pressed: boolean): void {
    const box = this.canvas.getBoundingClientRect();
    this.cursor = { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    this.showRing();
    if (pressed) {
      if (event.button !== 0) return;
      this.place.setPointerCapture(event.pointerId);
      this.strokes.set(event.pointerId, this.cursor);
    }
    const last = this.strokes.get(event.pointerId);
    if (!last) return;
    this.paint(last, this.cursor);
    this.strokes.set(event.pointerId, this.cursor);
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 0.01 : 0.04;
    const move = arrowDirection(event.key);
    const clamp = (value: number) => Math.min(0.999, Math.max(0, value));
    if (move) {
      this.cursor = { x: clamp(this.cursor.x + step * move.x), y: clamp(this.cursor.y + step * move.y) };
    } else if (event.key === ' ' || event.key === 'Enter') this.paint(this.cursor, this.cursor);
    else if (event.key === 'e' || event.key === 'E') {
      this.erase = !this.erase;
      this.eraser.set(this.erase);
    } else if (event.key === '+' || event.key === '-') {
      this.radius = Math.min(0.3, Math.max(0.02, this.radius + (event.key === '+' ? 0.02 : -0.02)));
      this.size.set(this.radius);
    } else if (event.key === 'Delete' || event.key === 'Backspace') this.clear();
    else return;
    this.showRing();
    event.preventDefault();
    event.stopPropagation();
  }

  private showRing(): void {
    const box = this.canvas.getBoundingClientRect();
    const reach = this.radius * Math.max(box.width, box.height);
    this.ring.hidden = false;
    Object.assign(this.ring.style, {
      left: `${this.cursor.x * box.width - reach}px`,
      top: `${this.cursor.y * box.height - reach}px`,
      width: `${reach * 2}px`,
      height: `${reach * 2}px`,
    });
  }

  private draw(): void {
    const { picture } = this;
    if (!picture) return;
    const context = fitCanvas(this.canvas, this.place.clientWidth, picture.height / picture.width);
    const style: OverlayStyle = { opacity: 0.7, emphasis: 'dim', grid: false };
    if (context) paintBlock(context, picture, regionBlock(this.region), style, 2);
  }
}
