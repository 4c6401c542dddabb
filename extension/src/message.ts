import { element } from './dom';

/** A quiet box that says what is wrong and what can be done. */
export function message(title: string, detail: string): HTMLElement {
  return element(
    'div',
    { class: 'fovea-message', role: 'alert' },
    element('strong', {}, title),
    element('span', {}, detail),
  );
}
