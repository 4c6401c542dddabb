/** Whether an element can have the focus as the page stands: it is shown, enabled, and not inert. */
export function canTakeFocus(node: HTMLElement): boolean {
  return node.isConnected && node.checkVisibility() && !node.matches(':disabled') && !node.closest('[inert]');
}

/**
 * Makes a change that may remove, hide or disable what has the focus in `root`. The browser would give the focus to the
 * page then, where the next Tab begins at the top and keys reach nobody.
 *
 * @param next where the keyboard goes on instead of the element that is lost
 * @returns what lost the focus, if anything did
 */
export function keepFocus(
  root: HTMLElement,
  change: () => void,
  next: (lost: HTMLElement) => HTMLElement | null | undefined,
): HTMLElement | undefined {
  const held = document.activeElement;
  const isInside = held instanceof HTMLElement && root.contains(held);
  change();
  if (!isInside || canTakeFocus(held)) return undefined;
  // Who made the change may have given the focus on already.
  if (held.isConnected || document.activeElement === document.body)
    next(held)?.focus({ preventScroll: true });
  return held;
}

/** The control that stands in `root` for one of an earlier drawing: of the same label, or in the same group. */
export function controlLike(earlier: HTMLElement, root: HTMLElement): HTMLElement | undefined {
  const group = earlier.closest('[role=radiogroup], [role=tablist]')?.getAttribute('aria-label');
  const name = labelOf(earlier);
  const controls = root.querySelectorAll<HTMLElement>('select, input, [role=radio], [role=tab]');
  return [...controls].find((control) =>
    group === undefined || group === null
      ? name !== undefined && labelOf(control) === name
      : control.tabIndex === 0 && control.parentElement?.getAttribute('aria-label') === group,
  );
}

const labelOf = (control: HTMLElement) =>
  control.closest('.fovea-field, .fovea-slider')?.querySelector('label')?.textContent ?? undefined;
