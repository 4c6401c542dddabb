/** Chords that belong to the application even while a viewer has the focus: saving, running the cell, … */
const passesThrough = (event: KeyboardEvent) =>
  event.ctrlKey ||
  event.metaKey ||
  event.altKey ||
  event.key === 'Escape' ||
  (event.shiftKey && event.key === 'Enter');

const CONSOLE = '.jp-CodeConsole';
const PROMPT = '.jp-CodeConsole-promptCell .cm-content';

const FOCUSABLE = 'a[href], button, input, select, textarea, summary, [tabindex]';

/**
 * Keeps the notebook's own single-key shortcuts (arrows, letters) from taking keys that are meant for `root`,
 * while chords still reach the application. Lumino skips an event whose target has the attribute
 * `data-lm-suppress-shortcuts`; on an element around it the attribute comes too late, for the notebook's
 * shortcuts select whatever has the focus. Lumino looks during the document's keydown, so the attribute is set
 * before, on the window.
 *
 * A click anywhere inside gives `root` the focus where nothing inside takes it: without that the notebook would
 * focus the cell around, and `d d` after a look at a figure would delete it. Escape gives the focus to the cell, in a
 * code console to its prompt.
 *
 * @param name what a screen reader calls `root` when it has the focus
 * @returns a function that undoes it.
 */
export function ownKeys(root: HTMLElement, name: string): () => void {
  const attribute = 'data-lm-suppress-shortcuts';
  root.tabIndex = -1;
  root.setAttribute('role', 'group');
  root.setAttribute('aria-label', name);
  let marked: Element | undefined;
  const unmark = () => {
    marked?.removeAttribute(attribute);
    marked = undefined;
  };
  const onKey = (event: KeyboardEvent) => {
    unmark();
    const { target } = event;
    if (passesThrough(event) || !(target instanceof Element) || !root.contains(target)) return;
    target.setAttribute(attribute, '');
    marked = target;
    // A console takes Enter on its way down, from wherever it was pressed, and goes to its prompt. What the browser does
    // of its own accord, as pressing a button, it still does.
    if (event.key === 'Enter' && root.closest(CONSOLE)) event.stopPropagation();
  };
  const onFocus = () => window.addEventListener('keydown', onKey, true);
  const onBlur = () => {
    window.removeEventListener('keydown', onKey, true);
    unmark();
  };
  const onMouseDown = (event: MouseEvent) => {
    const taker = (event.target as Element).closest(FOCUSABLE);
    // Who prevents the default, as plotly does where it can be dragged, prevents the focus too.
    if (taker === root || event.defaultPrevented) root.focus({ preventScroll: true });
  };
  const onEscape = (event: KeyboardEvent) => {
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    const prompt = root.closest(CONSOLE)?.querySelector<HTMLElement>(PROMPT);
    (prompt ?? root.parentElement?.closest<HTMLElement>('.jp-Cell'))?.focus({ preventScroll: !prompt });
  };
  root.addEventListener('focusin', onFocus);
  root.addEventListener('focusout', onBlur);
  root.addEventListener('mousedown', onMouseDown);
  root.addEventListener('keydown', onEscape);
  return () => {
    onBlur();
    root.removeEventListener('focusin', onFocus);
    root.removeEventListener('focusout', onBlur);
    root.removeEventListener('mousedown', onMouseDown);
    root.removeEventListener('keydown', onEscape);
  };
}
