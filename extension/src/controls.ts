/*
 * Controls of plain elements, for outputs as for the panel. Colours and fonts are those of JupyterLab's theme; its own
 * controls were put beside these in both themes, and stay out for these reasons:
 *
 * - `jp-mod-styled` of @jupyterlab/ui-components: buttons and lists are 32 pixels high in letter-spaced type, too large
 *   for four lists side by side in a panel; its switch is drawn in the colour of warnings.
 * - `jp-select`, `jp-radio-group` and `jp-tabs` of @jupyter/web-components: 40 pixels high or more, and an output that
 *   scrolls cuts off the list that they open, where a browser's own list lies above the page.
 * - `jp-slider` shows no value, and neither library has segments.
 * - The rest of ui-components are React components and Lumino widgets: each would need a root of its own in views that
 *   are drawn without either. Icons of commands, launcher and side bar are its `LabIcon`.
 */

import { element, uniqueId } from './dom';

/** A control's element, and a way to set it without calling back. */
export interface Control<T> {
  readonly node: HTMLElement;
  set(value: T): void;
}

export interface ChoiceOptions<T extends string> {
  readonly label: string;
  readonly options: readonly { readonly value: T; readonly label: string; readonly hint?: string }[];
  readonly value: T;
  /** Tabs show one of several panels; radios pick a value. */
  readonly role?: 'tabs' | 'radios';
  /** Id of the element that tabs control. */
  readonly controls?: string;
  onChange(value: T): void;
}

/** Segments of which one is chosen. Arrow keys, Home and End move; only the chosen one is in the tab order. */
export function choice<T extends string>(options: ChoiceOptions<T>): Control<T> {
  const { role = 'radios', onChange } = options;
  const [group, item, state] =
    role === 'tabs' ? ['tablist', 'tab', 'aria-selected'] : ['radiogroup', 'radio', 'aria-checked'];
  let value = options.value;
  const buttons = options.options.map((option) =>
    element(
      'button',
      {
        type: 'button',
        class: 'fovea-segment',
        role: item,
        title: option.hint,
        'data-value': option.value,
        'aria-controls': options.controls,
      },
      option.label,
    ),
  );
  const node = element(
    'div',
    { class: 'fovea-segments', role: group, 'aria-label': options.label },
    ...buttons,
  );
  const update = () => {
    options.options.forEach((option, index) => {
      buttons[index]!.setAttribute(state!, String(option.value === value));
      buttons[index]!.tabIndex = option.value === value ? 0 : -1;
    });
  };
  const choose = (index: number, focus: boolean) => {
    const chosen = options.options[(index + buttons.length) % buttons.length]!;
    if (focus) buttons[options.options.indexOf(chosen)]!.focus();
    if (chosen.value === value) return;
    value = chosen.value;
    update();
    onChange(value);
  };
  buttons.forEach((button, index) => {
    button.addEventListener('click', () => choose(index, false));
  });
  node.addEventListener('keydown', (event) => {
    const at = options.options.findIndex((option) => option.value === value);
    const to = stepFor(event.key, at, buttons.length);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    choose(to, true);
  });
  update();
  return {
    node,
    set(next) {
      value = next;
      update();
    },
  };
}

/** A step across a picture, to the right and down. */
export interface Direction {
  readonly x: -1 | 0 | 1;
  readonly y: -1 | 0 | 1;
}

/** Where an arrow key points; undefined for other keys. */
export function arrowDirection(key: string): Direction | undefined {
  switch (key) {
    case 'ArrowLeft':
      return { x: -1, y: 0 };
    case 'ArrowRight':
      return { x: 1, y: 0 };
    case 'ArrowUp':
      return { x: 0, y: -1 };
    case 'ArrowDown':
      return { x: 0, y: 1 };
    default:
      return undefined;
  }
}

/** Where a movement key leads from `at` among `count` items, around the ends; undefined for other keys. */
export function stepFor(key: string, at: number, count: number): number | undefined {
  if (count === 0) return undefined;
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowUp':
      return (at - 1 + count) % count;
    case 'ArrowRight':
    case 'ArrowDown':
      return (at + 1) % count;
    case 'Home':
      return 0;
    case 'End':
      return count - 1;
    default:
      return undefined;
  }
}

export interface SliderOptions {
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly value: number;
  /** What is read out and shown beside the slider. */
  format(value: number): string;
  onInput(value: number): void;
}

/** A labelled slider that shows its value. */
export function slider(options: SliderOptions): Control<number> & { readonly input: HTMLInputElement } {
  const id = uniqueId('slider');
  const { min, max, step } = options;
  const input = element('input', { id, type: 'range', class: 'fovea-range', min, max, step });
  const shown = element('output', { class: 'fovea-value', for: id });
  const update = () => {
    const text = options.format(input.valueAsNumber);
    shown.textContent = text;
    input.setAttribute('aria-valuetext', text);
    input.style.setProperty('--fovea-fill-at', `${((input.valueAsNumber - min) / (max - min)) * 100}%`);
  };
  input.addEventListener('input', () => {
    update();
    options.onInput(input.valueAsNumber);
  });
  input.valueAsNumber = options.value;
  update();
  const label = element('label', { class: 'fovea-label', for: id }, options.label);
  return {
    node: element('div', { class: 'fovea-slider' }, label, input, shown),
    input,
    set(value) {
      input.valueAsNumber = value;
      update();
    },
  };
}

/** A button that stays pressed. */
export function toggle(options: {
  readonly label: string;
  readonly hint?: string;
  readonly value: boolean;
  onChange(value: boolean): void;
}): Control<boolean> {
  const node = element(
    'button',
    { type: 'button', class: 'fovea-button fovea-toggle', title: options.hint },
    options.label,
  );
  const set = (value: boolean) => node.setAttribute('aria-pressed', String(value));
  node.addEventListener('click', () => {
    const value = node.getAttribute('aria-pressed') !== 'true';
    set(value);
    options.onChange(value);
  });
  set(options.value);
  return { node, set };
}

/** A plain button. */
export function button(label: string, onClick: () => void, hint?: string): HTMLButtonElement {
  const node = element('button', { type: 'button', class: 'fovea-button', title: hint }, label);
  node.addEventListener('click', onClick);
  return node;
}

/** A drop-down with a label above it. */
export function picker(options: {
  readonly label: string;
  readonly options: readonly { readonly value: string; readonly label: string }[];
  readonly value: string;
  onChange(value: string): void;
}): Control<string> & { readonly select: HTMLSelectElement } {
  const id = uniqueId('picker');
  const select = element(
    'select',
    { id, class: 'fovea-select' },
    ...options.options.map(({ value, label }) => element('option', { value }, label)),
  );
  select.value = options.value;
  select.addEventListener('change', () => options.onChange(select.value));
  const label = element('label', { class: 'fovea-label', for: id }, options.label);
  return {
    node: element(
      'div',
      { class: 'fovea-field' },
      label,
      element('div', { class: 'fovea-select-box' }, select),
    ),
    select,
    set(value) {
      select.value = value;
    },
  };
}
