import { counted } from '@fovea/kernel/presentation';
import type { MasksBlock } from '../documents/types';
import { element } from '../dom';
import { followPointer } from '../pointing';
import { css, heatColor } from './colors';
import { computeHeat, type Heat } from './heat';
import { fitCanvas } from './overlay';
import { paintHeat } from './paint';
import type { Picture } from './picture';
import { heatSentence } from './summary';

/** The compute heat map: how many blocks ran at each pixel, with its scale and a sentence. */
export class HeatView {
  readonly node: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  private readonly place: HTMLElement;
  private readonly sentence: HTMLElement;
  private readonly readout: HTMLElement;
  private readonly scale: HTMLElement;
  private readonly observer: ResizeObserver;
  private shown: { picture: Picture; heat: Heat; opacity: number } | undefined;

  constructor() {
    this.canvas = element('canvas', { class: 'fovea-canvas', role: 'img' });
    this.place = element('div', { class: 'fovea-overlay' }, this.canvas);
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
    this.readout.textContent = 'Point at the image to count.';
    this.readout.classList.add('fovea-mod-rest');
  }

  private hover(event: PointerEvent): void {
    if (!this.shown) return;
    const { heat } = this.shown;
    const box = this.canvas.getBoundingClientRect();
    const x = Math.floor(((event.clientX - box.left) / box.width) * heat.width);
    const y = Math.floor(((event.clientY - box.top) / box.height) * heat.height);
    const count = x < 0 || x >= heat.width ? undefined : heat.counts[y * heat.width + x];
    if (count === undefined) {
      this.rest();
      return;
    }
    this.readout.textContent = `${count} of ${counted(heat.blocks, 'block')} ran here.`;
    this.readout.classList.remove('fovea-mod-rest');
  }

  private draw(): void {
    if (!this.shown) return;
    const { picture, heat, opacity } = this.shown;
    const context = fitCanvas(this.canvas, this.place.clientWidth, picture.height / picture.width);
    if (context) paintHeat(context, picture, heat, opacity);
  }
}
