import { button, type Control, choice, stepFor, toggle } from '../controls';
import { element, revealAcross } from '../dom';
import { controlLike, keepFocus } from '../focus';
import { ownKeys } from '../keyboard';
import { Overlay } from '../masks/overlay';
import { loadPicture, type Picture } from '../masks/picture';
import { blockSentence, cellSentence, firstTelling } from '../masks/summary';
import { Tiles } from '../masks/tiles';
import { message } from '../message';
import { preferences } from '../preferences';
import { BlockChart } from './chart';
import { LiveForm } from './form';
import { GpuView } from './gpu/view';
import { Headline } from './headline';
import { Painter } from './painter';
import type { LiveState } from './protocol';
import { readRegion, writeRegion } from './region';
import type { Change, LiveSession } from './session';
import { deviceOf } from './state';

type Side = 'paint' | 'masks';
/** Whose masks are shown. */
type Origin = 'kernel' | 'browser';

export interface LiveViewOptions {
  /** Inserts code below the active cell. */
  insert(): void;
}

/** The panel's content for one session that has a catalogue. */
export class LiveView {
  readonly node: HTMLElement;
  private readonly overlay: Overlay;
  private readonly painter: Painter;
  private readonly strip: Tiles;
  private readonly readout = element('p', { class: 'fovea-readout fovea-mod-rest' });
  private readonly headline: Headline;
  private readonly chart = new BlockChart();
  private readonly trouble = element('div', { role: 'status' });
  private readonly live = element('div', { class: 'fovea-hidden', 'aria-live': 'polite' });
  private readonly inputPlace = element('div', {});
  private readonly settingsPlace = element('div', {});
  private readonly sides: Control<Side>;
  private readonly gpu: GpuView;
  private readonly origins: Control<Origin>;
  private origin: Origin = 'kernel';
  private readonly maskSide: HTMLElement;
  private readonly runButton: HTMLButtonElement;
  private readonly releaseKeys: () => void;
  private form: LiveForm | undefined;
  private formNetwork = '';
  private side: Side = 'masks';
  private position = 0;
  /** Whether the block shown is one that the person chose. */
  private hasChosen = false;
  private wasPainted: boolean | undefined;
  /** What the picture shows: network, image and region. */
  private shown = '';
  private shownImage = '';
  private picture: { readonly png: string; readonly loaded: Promise<Picture> } | undefined;

  constructor(
    private readonly session: LiveSession,
    options: LiveViewOptions,
  ) {
    this.headline = new Headline(() => session.calibrate());
    this.overlay = new Overlay({
      onCell: (cell) => {
        const block = this.blocks[this.position];
        this.readout.textContent = cell && block ? cellSentence(cell, block.rate) : this.blockLine();
      },
    });
    this.overlay.node.tabIndex = 0;
    this.overlay.node.setAttribute('role', 'group');
    this.overlay.node.setAttribute(
      'aria-label',
      'Masks of the measured run: arrow keys step through the blocks.',
    );
    this.overlay.node.addEventListener('keydown', (event) => {
      const to = stepFor(event.key, this.position, this.blocks.length);
      if (to === undefined) return;
      event.preventDefault();
      this.select(to);
    });
    this.strip = new Tiles('strip', (position) => this.select(position));
    this.painter = new Painter((region) => session.change({ region: writeRegion(region) }));
    this.gpu = new GpuView(session.gpu, (enabled) => session.setGpu(enabled));
    this.origins = choice<Origin>({
      label: 'Masks of',
      value: 'kernel',
      options: [
        { value: 'kernel', label: 'Kernel', hint: 'The masks of the kernel’s run' },
        { value: 'browser', label: 'This browser', hint: 'The masks of the same run in this page' },
      ],
      onChange: (origin) => {
        this.origin = origin;
        void this.showImage(true);
      },
    });
    this.origins.node.classList.add('fovea-mask-origins');
    this.maskSide = element('div', {}, this.origins.node, this.overlay.node, this.readout, this.strip.node);
    this.sides = choice<Side>({
      label: 'Image shows',
      role: 'tabs',
      value: 'masks',
      options: [
        { value: 'paint', label: 'Paint' },
        { value: 'masks', label: 'Masks' },
      ],
      onChange: (side) => this.setSide(side),
    });
    this.runButton = button('Run now', () => (session.isRunning ? session.stop() : session.run()));
    this.node = element(
      'div',
      { class: 'fovea-live-content' },
      this.inputPlace,
      element('div', { class: 'fovea-live-sides' }, this.sides.node),
      this.painter.node,
      this.maskSide,
      this.headline.node,
      this.gpu.node,
      this.chart.node,
      // Below the image: what comes and goes must not move it under a brush.
      this.trouble,
      this.settingsPlace,
      element(
        'div',
        { class: 'fovea-live-foot' },
        button('Insert as cell', options.insert, 'Write these settings as TypeScript below the active cell'),
        this.runButton,
        toggle({
          label: 'Auto-run',
          hint: 'Run when the controls have not changed for a moment',
          value: session.autoRun,
          onChange: (value) => {
            session.autoRun = value;
          },
        }).node,
      ),
      this.live,
    );
    this.node.querySelector('.fovea-live-foot button')!.classList.add('fovea-primary');
    this.releaseKeys = ownKeys(this.node, 'Live controls');
    this.update('catalogue');
    void session.gpu.look();
  }

  dispose(): void {
    this.releaseKeys();
    this.overlay.dispose();
    this.painter.dispose();
    this.strip.dispose();
  }

  /** Redraws what a change touches; the keyboard stays where it was, or goes on at what stands there now. */
  update(change: Change): void {
    keepFocus(
      this.node,
      () => this.redraw(change),
      (lost) => controlLike(lost, this.node) ?? this.headline.node,
    );
  }

  private redraw(change: Change): void {
    const { session } = this;
    if (change === 'catalogue' || change === 'state') this.showState(change === 'catalogue');
    if (change === 'result' && !this.hasChosen)
      this.position = firstTelling(session.result!.masks.images[0]!.blocks);
    if (change === 'catalogue' || change === 'result' || change === 'gpu') void this.showImage(true);
    this.showTimes();
    this.gpu.show(session.isGpuCurrent);
    for (const place of [this.inputPlace, this.settingsPlace, this.painter.node])
      place.inert = session.isCalibrating;
    this.runButton.textContent = session.isRunning ? 'Stop' : 'Run now';
    if (change === 'result') {
      const { measured, predicted } = session.result!;
      this.live.textContent = `Measured ${measured.totalMs.toFixed(1)} milliseconds, predicted ${predicted.totalMs.toFixed(1)}.`;
    }
    this.trouble.replaceChildren(
      ...(session.problem ? [message('The kernel could not do this.', session.problem)] : []),
    );
  }

  private showTimes(): void {
    const { session } = this;
    const { catalogue, state, result, prediction, predicted, isCurrent } = session;
    const device = (of: LiveState | undefined) => catalogue && of && deviceOf(catalogue, of);
    this.headline.show({
      prediction,
      predicted,
      result,
      isCurrent,
      device: device(state),
      resultDevice: device(result?.state),
      isSlow: session.isSlow,
      isCalibrating: session.isCalibrating,
      progress: session.progress,
    });
    this.chart.show({
      predicted,
      predictedDense: prediction?.dense,
      measured: isCurrent ? result?.measured : undefined,
      measuredDense: isCurrent ? result?.dense : undefined,
    });
  }

  private get image() {
    const { session } = this;
    return session.isCurrentImage ? session.result?.masks.images[0] : undefined;
  }

  /** This browser's masks, where they are of the run that is shown. */
  private get ownBlocks() {
    const { result, gpu } = this.session;
    return this.image && gpu.result?.state === result?.state ? gpu.result?.blocks : undefined;
  }

  private get blocks() {
    return (this.origin === 'browser' ? this.ownBlocks : undefined) ?? this.image?.blocks ?? [];
  }

  private showState(rebuild: boolean): void {
    const { catalogue, state } = this.session;
    if (!catalogue || !state) return;
    const isNew = rebuild || this.formNetwork !== state.network;
    if (isNew) {
      this.formNetwork = state.network;
      this.form = new LiveForm(catalogue, state, (patch) => this.session.change(patch));
      this.inputPlace.replaceChildren(this.form.input);
      this.settingsPlace.replaceChildren(this.form.settings);
    } else this.form?.show(state);
    const image = this.inputPlace.querySelector<HTMLElement>('.fovea-image-choice [aria-checked="true"]');
    if (image && (isNew || state.image !== this.shownImage)) revealAcross(image.parentElement!, image, 8);
    this.shownImage = state.image;
    const painted = state.masker === 'painted';
    this.sides.node.hidden = !painted;
    const shown = `${state.network} ${state.image} ${state.region?.cells ?? ''}`;
    if (painted !== this.wasPainted) {
      this.wasPainted = painted;
      this.setSide(painted ? 'paint' : 'masks');
      // A slider's steps leave the picture alone; drawing it each time would cost the prediction its pace.
    } else if (shown !== this.shown) void this.showImage(true);
    this.shown = shown;
  }

  private setSide(side: Side): void {
    this.side = side;
    this.sides.set(side);
    this.painter.node.hidden = side !== 'paint';
    this.maskSide.hidden = side !== 'masks';
    void this.showImage(true);
  }

  private async showImage(thumbnails: boolean): Promise<void> {
    const { session } = this;
    const chosen = session.catalogue?.images.find(({ name }) => name === session.state?.image);
    const png = this.image?.png ?? chosen?.png;
    if (!png) return;
    if (this.picture?.png !== png) {
      const { width = 224, height = 224 } = this.image ?? {};
      this.picture = { png, loaded: loadPicture(png, width, height) };
    }
    const { picture } = this;
    const loaded = await picture.loaded;
    // The state as it is now: what was painted while the image loaded must stay.
    const { state } = session;
    if (picture !== this.picture || !state) return;
    if (this.side === 'paint') {
      if (!this.painter.isPainting)
        this.painter.show(loaded, readRegion(state.region, loaded.width, loaded.height));
      return;
    }
    keepFocus(
      this.origins.node,
      () => {
        this.origins.node.hidden = !this.ownBlocks;
      },
      () => this.overlay.node,
    );
    const { blocks } = this;
    this.position = Math.max(0, Math.min(this.position, blocks.length - 1));
    this.strip.node.hidden = blocks.length === 0;
    if (thumbnails) this.strip.show(loaded, blocks, this.style);
    this.strip.select(this.position);
    this.overlay.show(
      loaded,
      blocks[this.position],
      this.style,
      `${state.image}. ${blockSentence(blocks, this.position)}`,
    );
    this.readout.textContent = this.blockLine();
  }

  private get style() {
    const { opacity, grid, emphasis } = preferences.get();
    return { opacity, grid, emphasis };
  }

  private blockLine(): string {
    return this.blocks.length === 0
      ? 'Masks appear with the measured run.'
      : blockSentence(this.blocks, this.position);
  }

  private select(position: number): void {
    this.hasChosen = true;
    this.position = position;
    void this.showImage(false);
    this.live.textContent = blockSentence(this.blocks, position);
  }
}
