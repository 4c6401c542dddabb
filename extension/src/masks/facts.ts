import { formatPercent } from '@fovea/kernel/presentation';
import type { MasksBlock, MasksDocument } from '../documents/types';
import { element } from '../dom';
import { wholeBlockSentence } from './summary';

type Top = NonNullable<MasksDocument['images'][number]['top']>;

function row(term: string, detail: string): HTMLElement {
  return element('div', { class: 'fovea-fact' }, element('dt', {}, term), element('dd', {}, detail));
}

/** Beside the overlay: the block's name and rate in large type, then its place, S and grid. */
export function blockFacts(block: MasksBlock, position: number, count: number): HTMLElement {
  const fill = element('span', { class: 'fovea-meter-fill' });
  fill.style.width = `${block.rate * 100}%`;
  const whole = wholeBlockSentence(block);
  return element(
    'div',
    { class: 'fovea-facts' },
    element('div', { class: 'fovea-eyebrow' }, `Block ${position + 1} of ${count}`),
    element('div', { class: 'fovea-name' }, block.name),
    element(
      'div',
      { class: 'fovea-figure' },
      element('span', { class: 'fovea-number' }, formatPercent(block.rate)),
      element('span', { class: 'fovea-unit' }, 'of the map computed'),
    ),
    element('div', { class: 'fovea-meter', 'aria-hidden': 'true' }, fill),
    ...(whole ? [element('p', { class: 'fovea-sentence' }, whole)] : []),
    element(
      'dl',
      { class: 'fovea-fact-list' },
      row('Stage', String(block.stage + 1)),
      row('Granularity S', String(block.granularity)),
      row('Grid', `${block.rows} × ${block.columns} cells`),
      row('Output map', `${block.height} × ${block.width} pixels`),
    ),
  );
}

/** The most probable classes as quiet bars. */
export function topClasses(top: Top): HTMLElement {
  return element(
    'div',
    { class: 'fovea-top' },
    element('div', { class: 'fovea-eyebrow' }, 'Seen as'),
    element(
      'ol',
      { class: 'fovea-top-list' },
      ...top.slice(0, 5).map(({ label, probability }) => {
        const bar = element('span', { class: 'fovea-top-bar', 'aria-hidden': 'true' });
        bar.style.width = `${probability * 100}%`;
        return element(
          'li',
          {},
          bar,
          element('span', { class: 'fovea-top-label' }, label),
          element('span', { class: 'fovea-top-value' }, formatPercent(probability)),
        );
      }),
    ),
  );
}
