import { counted, formatPercent } from '@fovea/kernel/presentation';
import { arrowDirection, button, type Control, choice, slider, stepFor, toggle } from '../controls';
import type { MasksBlock, MasksDocument } from '../documents/types';
import { download, element, fileName, uniqueId } from '../dom';
import { keepFocus } from '../focus';
import { nameLandmark, releaseLandmark } from '../landmark';
import { preferences } from '../preferences';
import { blockPng, heatPng, sheetPng } from './export';
import { blockFacts, topClasses } from './facts';
import type { Cell } from './geometry';
import { HeatView } from './heatview';
import { Overlay } from './overlay';
import type { Emphasis, OverlayStyle } from './paint';
import { type Picture, Pictures } from './picture';
import {
  blockSentence,
  cellSentence,
  firstTelling,
  imageSentence,
  meanRate,
  skippedSentence,
} from './summary';
import { Tiles } from './tiles';

type View = 'block' | 'stages' | 'heat';
type MasksImage = MasksDocument['images'][number];

const HINT = 'Point at a cell, or press Shift with the arrow keys.';
const NO_BLOCKS = 'No block has a mask: the network was computed everywhere.';

/** Everything that is shown of one masks document. */
export class MasksViewer {
  readonly node: HTMLElement;
  private readonly overlay: Overlay;
  private readonly strip: Tiles;
  private readonly sheet: Tiles;
  private readonly heat: HeatView;
  private readonly head = element('div', { class: 'fovea-titles' });
  private readonly caption = element('p', { class: 'fovea-subtitle' });
  private readonly imagesPlace = element('div', { class: 'fovea-images' });
  private readonly facts = element('div', { class: 'fovea-side' });
  private readonly readout = element('p', { class: 'fovea-readout fovea-mod-rest' }, HINT);
  private readonly live = element('div', { class: 'fovea-hidden', 'aria-live': 'polite' });
  private readonly cellControls: HTMLElement;
  private readonly panels: Record<View, HTMLElement>;
  private readonly views: Control<View>;
  private document: MasksDocument | undefined;
  private readonly pictures = new Pictures();
  /** That of the image in front; of an image that was just chosen, the one before until it is decoded. */
  private picture: Picture | undefined;
  private image = 0;
  private position = 0;
  private view: View = 'block';
  private style: OverlayStyle;
  private generation = 0;

  constructor() {
    const { opacity, grid, emphasis } = preferences.get();
    this.style = { opacity, grid, emphasis };
    this.overlay = new Overlay({ onCell: (cell, byKeyboard) => this.showCell(cell, byKeyboard) });
    this.overlay.node.tabIndex = 0;
    this.overlay.node.setAttribute('role', 'group');
    this.overlay.node.setAttribute('aria-label', `Overlay: arrow keys step through the blocks. ${HINT}`);
    this.overlay.node.addEventListener('keydown', (event) => this.onKey(event));
    this.strip = new Tiles('strip', (position) => this.select(position));
    this.sheet = new Tiles('sheet', (position, byKeyboard) => {
      this.select(position);
      if (byKeyboard) return;
      this.setView('block');
      this.overlay.node.focus({ preventScroll: true });
    });

    this.heat = new HeatView((sentence) => {
      this.live.textContent = sentence;
    });
    const id = uniqueId('panel');
    const panel = (view: View, ...content: HTMLElement[]) =>
      element('div', { class: 'fovea-panel', role: 'tabpanel', 'data-view': view }, ...content);
    this.panels = {
      block: panel(
        'block',
        element(
          'div',
          { class: 'fovea-split' },
          element('div', { class: 'fovea-main' }, this.overlay.node, this.readout),
          this.strip.node,
          this.facts,
        ),
      ),
      stages: panel('stages', this.sheet.node),
      heat: panel('heat', this.heat.node),
    };
    this.views = choice<View>({
      label: 'View',
      role: 'tabs',
      controls: id,
      value: 'block',
      options: [
        { value: 'block', label: 'Block', hint: 'One block’s mask over the image' },
        { value: 'stages', label: 'Stages', hint: 'All blocks side by side' },
        { value: 'heat', label: 'Compute', hint: 'How many blocks ran at each pixel' },
      ],
      onChange: (view) => this.setView(view),
    });
    this.cellControls = element(
      'div',
      { class: 'fovea-toolbar-group' },
      choice<Emphasis>({
        label: 'Emphasis',
        value: emphasis,
        options: [
          { value: 'dim', label: 'Dim skipped', hint: 'Darken the cells that are skipped' },
          { value: 'tint', label: 'Tint active', hint: 'Colour the cells that run' },
        ],
        onChange: (value) => this.restyle({ emphasis: value }),
      }).node,
      toggle({ label: 'Grid', value: grid, onChange: (value) => this.restyle({ grid: value }) }).node,
    );
    const toolbar = element(
      'div',
      { class: 'fovea-toolbar', role: 'group', 'aria-label': 'How masks are drawn' },
      slider({
        label: 'Opacity',
        min: 0,
        max: 1,
        step: 0.05,
        value: opacity,
        format: formatPercent,
        onInput: (value) => this.restyle({ opacity: value }),
      }).node,
      this.cellControls,
      button('Save PNG', () => void this.save(), 'Save what is shown as a picture'),
    );
    this.node = element(
      'section',
      { class: 'fovea-viewer fovea-masks' },
      element('header', { class: 'fovea-head' }, this.head, this.views.node),
      this.caption,
      this.imagesPlace,
      toolbar,
      element('div', { id }, this.panels.block, this.panels.stages, this.panels.heat),
      this.live,
    );
    this.setView('block');
  }

  dispose(): void {
    this.generation += 1;
    releaseLandmark(this.node);
    this.overlay.dispose();
    this.strip.dispose();
    this.sheet.dispose();
    this.heat.dispose();
  }

  /** Shows a document in place of the one before; block and image stay chosen where they still exist. */
  async show(document: MasksDocument): Promise<void> {
    const image = Math.min(this.image, document.images.length - 1);
    if (!(await this.load(document.images[image]!))) return;
    if (!this.document) this.position = firstTelling(document.images[0]!.blocks);
    this.document = document;
    this.image = image;
    this.showTitles(document);
    this.showImages(document);
    this.refresh();
  }

  /** Decodes an image; the last one that is asked for wins. @returns whether it still is the one */
  private async load(image: MasksImage): Promise<boolean> {
    this.generation += 1;
    const generation = this.generation;
    const picture = await this.pictures.of(image);
    if (generation !== this.generation) return false;
    this.picture = picture;
    return true;
  }

  private async turnTo(document: MasksDocument, image: number): Promise<void> {
    if (!(await this.load(document.images[image]!))) return;
    this.image = image;
    this.showTitles(document);
    this.refresh();
  }

  private get blocks(): readonly MasksBlock[] {
    return this.document?.images[this.image]?.blocks ?? [];
  }

  private showTitles(document: MasksDocument): void {
    const blocks = document.images.flatMap((image) => image.blocks);
    const facts = [
      document.title ? document.network : undefined,
      document.strategy,
      counted(document.images[0]!.blocks.length, 'block'),
      blocks.length > 0 ? `${formatPercent(meanRate(blocks))} active on average` : undefined,
      skippedSentence(this.blocks),
    ];
    this.head.replaceChildren(element('h2', { class: 'fovea-title' }, document.title ?? document.network));
    this.caption.textContent = facts.filter(Boolean).join(' · ');
    nameLandmark(this.node, document.title ?? `Masks of ${document.network}`);
  }

  private showImages(document: MasksDocument): void {
    const isChoice = document.images.length > 1;
    keepFocus(
      this.imagesPlace,
      () => {
        this.imagesPlace.hidden = !isChoice;
        this.imagesPlace.replaceChildren(...(isChoice ? [this.imageChoice(document)] : []));
      },
      () => this.imagesPlace.querySelector<HTMLElement>('[tabindex="0"]') ?? this.overlay.node,
    );
  }

  private imageChoice(document: MasksDocument): HTMLElement {
    const control = choice({
      label: 'Image',
      value: String(this.image),
      options: document.images.map((image, index) => ({ value: String(index), label: image.name })),
      onChange: (value) => void this.turnTo(document, Number(value)),
    });
    control.node.querySelectorAll('button').forEach((item, index) => {
      const image = document.images[index]!;
      item.title = image.name;
      item.replaceChildren(
        element('img', {
          class: 'fovea-image-icon',
          alt: '',
          decoding: 'async',
          src: `data:image/png;base64,${image.png}`,
        }),
        element('span', { class: 'fovea-image-name' }, image.name),
      );
    });
    return control.node;
  }

  private setView(view: View): void {
    this.view = view;
    this.views.set(view);
    for (const [name, panel] of Object.entries(this.panels)) panel.hidden = name !== view;
    this.cellControls.hidden = view === 'heat';
    this.refresh();
  }

  private select(position: number): void {
    this.position = position;
    this.showBlock();
    this.strip.select(position);
    this.sheet.select(position);
    this.live.textContent = blockSentence(this.blocks, position);
  }

  private restyle(change: Partial<OverlayStyle>): void {
    this.style = { ...this.style, ...change };
    const { picture } = this;
    if (!picture) return;
    this.strip.restyle(this.style);
    this.sheet.restyle(this.style);
    if (this.view === 'heat') this.heat.show(picture, this.blocks, this.style.opacity);
    else this.showBlock();
  }

  /** Redraws the view in front; the others are drawn when they come to the front. */
  private refresh(): void {
    const { picture } = this;
    if (!picture || !this.document) return;
    this.position = Math.max(0, Math.min(this.position, this.blocks.length - 1));
    if (this.view === 'heat') this.heat.show(picture, this.blocks, this.style.opacity);
    else if (this.view === 'stages') {
      this.sheet.show(picture, this.blocks, this.style);
      this.sheet.select(this.position);
    } else {
      this.showBlock();
      this.strip.show(picture, this.blocks, this.style);
      this.strip.select(this.position);
    }
  }

  private showBlock(): void {
    const image = this.document?.images[this.image];
    const { picture } = this;
    if (!this.document || !image || !picture) return;
    const block = image.blocks[this.position];
    const label = `${imageSentence(this.document, image)} ${blockSentence(image.blocks, this.position)}`;
    this.overlay.show(picture, block, this.style, label);
    if (!block) this.showCell(undefined, false);
    this.facts.replaceChildren(
      ...(block ? [blockFacts(block, this.position, image.blocks.length)] : []),
      ...(image.top && image.top.length > 0 ? [topClasses(image.top)] : []),
      ...(picture.decoded
        ? []
        : [element('p', { class: 'fovea-sentence' }, 'The input image could not be decoded.')]),
    );
  }

  private showCell(cell: Cell | undefined, byKeyboard: boolean): void {
    const block = this.blocks[this.position];
    const rest = block ? HINT : NO_BLOCKS;
    const text = cell && block ? cellSentence(cell, block.rate) : rest;
    this.readout.textContent = text;
    this.readout.classList.toggle('fovea-mod-rest', !cell);
    if (cell && byKeyboard) this.live.textContent = text;
  }

  private onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const move = event.shiftKey ? arrowDirection(event.key) : undefined;
    const position = stepFor(event.key, this.position, this.blocks.length);
    if (move) this.overlay.moveCell(move.y, move.x);
    else if (position !== undefined) this.select(position);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  private async save(): Promise<void> {
    const { picture } = this;
    const image = this.document?.images[this.image];
    if (!picture || !image) return;
    const block = this.blocks[this.position];
    const [part, blob] =
      this.view === 'heat'
        ? ['compute', await heatPng(picture, this.blocks, this.style.opacity)]
        : this.view === 'stages' || !block
          ? ['stages', await sheetPng(picture, this.blocks, this.style)]
          : [block.name, await blockPng(picture, block, this.style)];
    download(`${fileName(this.document!.network, image.name, part as string)}.png`, blob as Blob);
    this.live.textContent = 'Picture saved.';
  }
}
