import { counted, formatPercent } from '@fovea/kernel/presentation';
import { arrowDirection } from '../controls';
import type { MasksBlock } from '../documents/types';
import { element } from '../dom';
import { followPointer } from '../pointing';
import { css, heatColor } from './colors';
import { computeHeat, type Heat } from './heat';
import { fitCanvas } from './overlay';
import { paintHeat } from './paint';
import type { Picture } from './picture';
import { heatSentence } from './summary';

/** Steps of the arrow keys across the longer side; with Shift they go from pixel to pixel. */
const STEPS = 28;

const HINT = 'Point at the image to count, or press the arrow keys.';

/** The compute heat map: how many blocks ran at each pixel, with its scale and a sentence. */
export class HeatView {
  readonly node: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  private readonly place: HTMLElement;
  private readonly sentence: HTMLElement;
  private readonly readout: HTMLElement;
  private readonly scale: HTMLElement;
  private readonly marker = element('div', { class: 'fovea-cell-marker', hidden: true });
  private readonly observer: ResizeObserver;
  private shown: { picture: Picture; heat: Heat; opacity: number } | undefined;
  /** The pixel that the arrow keys are on; the first of them puts it in the middle. */
  private cursor: { readonly x: number; readonly y: number } | undefined;

  /** @param onCount called with the sentence of a pixel that the keyboard has come to */
  constructor(private readonly onCount: (sentence: string) => void) {
    this.canvas = element('canvas', { class: 'fovea-canvas', role: 'img' });
    this.place = element(
      'div',
      {
        class: 'fovea-overlay',
        tabindex: 0,
        role: 'group',
        'aria-label': 'Compute heat map: arrow keys count the blocks at a pixel, with Shift at the next one.',
      },
      this.canvas,
      this.marker,
    );
    this.place.addEventListener('keydown', (event) => this.onKey(event));
    this.place.addEventListener('blur', () => {
      this.marker.hidden = true;
    });
    this.sentence = element('p', { class: 'fovea-sentence' });
    this.readout = element('p', { class: 'fovea-readout' });
    this.scale = element('div', { class: 'fovea-scale', 'aria-hidden': 'true' });
    const facts = element(
      'div',
      { class: 'fovea-facts' },
      element('div', { class: 'fovea-eyebrow' }, 'Compute'),
      element('div', { class: 'fovea-name' }, 'Blocks run per pixel'),
      this.sentence,
      this.scale,
    );
    this.node = element(
      'div',
      { class: 'fovea-split' },
      element('div', { class: 'fovea-main' }, this.place, this.readout),
      facts,
    );
    followPointer(
      this.place,
      (event) => this.hover(event),
      () => this.rest(),
    );
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.place);
  }

  dispose(): void {
    this.observer.disconnect();
  }

  show(picture: Picture, blocks: readonly MasksBlock[], opacity: number): void {
    const heat = computeHeat(blocks, picture.width, picture.height);
    if (picture !== this.shown?.picture) this.cursor = undefined;
    this.shown = { picture, heat, opacity };
    this.place.style.setProperty('--fovea-aspect', String(picture.width / picture.height));
    const sentence = heatSentence(heat);
    this.sentence.textContent = sentence;
    this.canvas.setAttribute('aria-label', `Compute heat map. ${sentence}`);
    const steps = Array.from({ length: 11 }, (_, step) => css(heatColor(step / 10)));
    const ramp = element('div', { class: 'fovea-ramp' });
    ramp.style.background = `linear-gradient(to right, ${steps.join(', ')})`;
    this.scale.replaceChildren(
      ramp,
      element('span', {}, '0'),
      element('span', {}, counted(heat.blocks, 'block')),
    );
    this.rest();
    this.draw();
  }

  private rest(): void {
    this.marker.hidden = true;
    this.readout.textContent = HINT;
    this.readout.classList.add('fovea-mod-rest');
  }

  private hover(event: PointerEvent): void {
    if (!this.shown) return;
    const { heat } = this.shown;
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * heat.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * heat.height);
    this.marker.hidden = true;
    if (x < 0 || y < 0 || x >= heat.width || y >= heat.height) this.rest();
    else this.say(`${this.count(x, y)} ran here.`);
  }

  private onKey(event: KeyboardEvent): void {
    if (!this.shown || event.ctrlKey || event.metaKey || event.altKey) return;
    const { width, height } = this.shown.heat;
    const side = Math.max(1, Math.round(Math.max(width, height) / STEPS));
    const step = event.shiftKey ? 1 : side;
    const move = arrowDirection(event.key);
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    const { cursor } = this;
    const within = (value: number, extent: number) => Math.min(extent - 1, Math.max(0, value));
    const x = cursor ? within(cursor.x + step * move.x, width) : Math.floor(width / 2);
    const y = cursor ? within(cursor.y + step * move.y, height) : Math.floor(height / 2);
    this.cursor = { x, y };
    // With its place: a screen reader does not read the same sentence twice.
    const place = `${formatPercent((x + 0.5) / width, 0)} across, ${formatPercent((y + 0.5) / height, 0)} down`;
    const sentence = `${this.count(x, y)} ran at ${place}.`;
    this.say(sentence);
    this.onCount(sentence);
    this.marker.hidden = false;
    // Around the pixel, and large enough to be seen.
    Object.assign(this.marker.style, {
      left: `${((x + 0.5 - side / 2) / width) * 100}%`,
      top: `${((y + 0.5 - side / 2) / height) * 100}%`,
      width: `${(side / width) * 100}%`,
      height: `${(side / height) * 100}%`,
    });
  }

  /** `5 of 9 blocks` */
  private count(x: number, y: number): string {
    const { heat } = this.shown!;
    return `${heat.counts[y * heat.width + x]!} of ${counted(heat.blocks, 'block')}`;
  }

  private say(sentence: string): void {
    this.readout.textContent = sentence;
    this.readout.classList.remove('fovea-mod-rest');
  }

  private draw(): void {
    if (!this.shown) return;
    const { picture, heat, opacity } = this.shown;
    const context = fitCanvas(this.canvas, this.place.clientWidth, picture.height / picture.width);
    if (context) paintHeat(context, picture, heat, opacity);
  }
}
