/** The displays that are on the page now, by the names that they were given, in the order of their naming. */
const named = new Map<HTMLElement, string>();

/** Hears of displays that are shown, and of those whose tab is hidden. */
let watcher: ResizeObserver | undefined;

/**
 * Names a display for the list of landmarks that screen readers offer. Where the page shows another one of the same
 * name, as when a cell is copied, it is numbered: `Masks of resnet50 (2)`. One in a hidden tab is in no list, so it takes
 * no number from others.
 */
export function nameLandmark(node: HTMLElement, name: string): void {
  watcher ??= new ResizeObserver(number);
  watcher.observe(node);
  named.set(node, name);
  number();
}

/** Gives the name of a display free that leaves the page. */
export function releaseLandmark(node: HTMLElement): void {
  watcher?.unobserve(node);
  named.delete(node);
  number();
}

function number(): void {
  const used = new Map<string, number>();
  for (const [node, name] of named) {
    // Before it is on the page it has no place either; it is numbered when it gets one.
    const isShown = node.getClientRects().length > 0;
    const count = isShown ? (used.get(name) ?? 0) + 1 : 1;
    if (isShown) used.set(name, count);
    const label = count === 1 ? name : `${name} (${count})`;
    if (node.getAttribute('aria-label') !== label) node.setAttribute('aria-label', label);
  }
}
