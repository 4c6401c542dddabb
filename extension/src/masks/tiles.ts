import { formatPercent } from '@fovea/kernel/presentation';
import { stepFor } from '../controls';
import type { MasksBlock } from '../documents/types';
import { element, revealAcross, uniqueId } from '../dom';
import { type OverlayStyle, paintBlock } from './paint';
import type { Picture } from './picture';
import { byStage, meanRate } from './summary';

/** Thumbnails of all blocks in order, gathered by stage: as a strip that scrolls, or as small multiples. */
export class Tiles {
  readonly node: HTMLElement;
  private tiles: HTMLElement[] = [];
  private selected = -1;
  private count = 0;
  private detach: (() => void) | undefined;
  private style: OverlayStyle | undefined;
  /** How to paint each thumbnail; those in `seen` have been painted. */
  private painters = new Map<Element, (style: OverlayStyle) => void>();
  private seen = new Set<Element>();

  constructor(
    private readonly layout: 'strip' | 'sheet',
    private readonly onSelect: (position: number, byKeyboard: boolean) => void,
  ) {
    this.node = element('div', {
      class: `fovea-tiles fovea-${layout}`,
      role: 'listbox',
      'aria-label': layout === 'strip' ? 'Blocks in order' : 'All blocks by stage',
      'aria-orientation': 'horizontal',
      tabindex: 0,
    });
    this.node.addEventListener('keydown', (event) => {
      if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
      const to = stepFor(event.key, this.selected, this.count);
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.onSelect(to, true);
    });
  }

  dispose(): void {
    this.detach?.();
  }

  /** Paints the thumbnails that have been in view in another style. */
  restyle(style: OverlayStyle): void {
    this.style = { ...style, grid: false };
    for (const canvas of this.seen) this.painters.get(canvas)!(this.style);
  }

  /** Puts up thumbnails of other blocks, or of another image. */
  show(picture: Picture, blocks: readonly MasksBlock[], style: OverlayStyle): void {
    this.style = { ...style, grid: false };
    this.count = blocks.length;
    this.tiles = [];
    this.painters.clear();
    this.seen.clear();
    const groups = byStage(blocks).map((group) => {
      const title = uniqueId('stage');
      const cells = group.blocks.map(({ block, position }) => {
        const canvas = element('canvas', { class: 'fovea-thumbnail', 'aria-hidden': 'true' });
        const side = this.layout === 'strip' ? 96 : 224;
        canvas.width = side;
        canvas.height = Math.max(1, Math.round((side * picture.height) / picture.width));
        this.painters.set(canvas, (now) => paintBlock(canvas.getContext('2d')!, picture, block, now));
        const tile = element(
          'div',
          {
            class: 'fovea-tile',
            id: uniqueId('tile'),
            role: 'option',
            'aria-label': `${block.name}, stage ${block.stage + 1}, granularity ${block.granularity}, ${formatPercent(block.rate)} active`,
            title: block.name,
          },
          canvas,
          element(
            'span',
            { class: 'fovea-tile-facts', 'aria-hidden': 'true' },
            element('span', { class: 'fovea-tile-rate' }, formatPercent(block.rate)),
            element('span', { class: 'fovea-tile-s' }, `S ${block.granularity}`),
          ),
        );
        tile.addEventListener('click', () => this.onSelect(position, false));
        this.tiles.push(tile);
        return tile;
      });
      const first = group.blocks[0]!.block;
      const detail =
        this.layout === 'strip'
          ? `${formatPercent(meanRate(group.blocks.map(({ block }) => block)))}`
          : `${first.height} × ${first.width} map · ${formatPercent(meanRate(group.blocks.map(({ block }) => block)))} active`;
      return element(
        'div',
        { class: 'fovea-tile-group', role: 'group', 'aria-labelledby': title },
        element(
          'div',
          { class: 'fovea-tile-title', id: title },
          element('span', {}, `Stage ${group.stage + 1}`),
          element('span', { class: 'fovea-quiet' }, detail),
        ),
        element('div', { class: 'fovea-tile-row' }, ...cells),
      );
    });
    this.node.replaceChildren(...groups);
    this.paintWhenSeen();
    this.select(this.selected);
  }

  /** Marks a block, and brings its thumbnail into view without moving the page. */
  select(position: number): void {
    this.selected = position;
    this.tiles.forEach((tile, index) => {
      tile.setAttribute('aria-selected', String(index === position));
    });
    const tile = this.tiles[position];
    if (!tile) return;
    this.node.setAttribute('aria-activedescendant', tile.id);
    if (this.layout === 'strip') revealAcross(this.node, tile, 24);
  }

  /** In a long notebook only the visible tiles of a network of a hundred blocks are painted. */
  private paintWhenSeen(): void {
    this.detach?.();
    const observer = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting) continue;
          observer.unobserve(target);
          this.seen.add(target);
          this.painters.get(target)?.(this.style!);
        }
      },
      { rootMargin: '200px' },
    );
    for (const canvas of this.painters.keys()) observer.observe(canvas);
    this.detach = () => observer.disconnect();
  }
}
