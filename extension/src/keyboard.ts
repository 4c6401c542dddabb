/** Chords that belong to the application even while a viewer has the focus: saving, running the cell, … */
const passesThrough = (event: KeyboardEvent) =>
  event.ctrlKey ||
  event.metaKey ||
  event.altKey ||
  event.key === 'Escape' ||
  (event.shiftKey && event.key === 'Enter');

/**
 * Keeps the notebook's own single-key shortcuts (arrows, letters) from taking keys that are pressed inside
 * `root`, while chords still reach the application. Lumino skips an event below `data-lm-suppress-shortcuts`;
 * it looks during the document's capture phase, so the attribute is set one step earlier, on the window.
 *
 * @returns a function that undoes it.
 */
export function ownKeys(root: HTMLElement): () => void {
  const attribute = 'data-lm-suppress-shortcuts';
  const onKey = (event: KeyboardEvent) => {
    root.toggleAttribute(attribute, !passesThrough(event));
  };
  const onFocus = () => window.addEventListener('keydown', onKey, true);
  const onBlur = () => {
    window.removeEventListener('keydown', onKey, true);
    root.removeAttribute(attribute);
  };
  root.addEventListener('focusin', onFocus);
  root.addEventListener('focusout', onBlur);
  return () => {
    onBlur();
    root.removeEventListener('focusin', onFocus);
    root.removeEventListener('focusout', onBlur);
  };
}
