/** The displays that are on the page now, by the names they were given. */
const named = new Map<HTMLElement, string>();

/**
 * Names a display for the list of landmarks that screen readers offer. Where the page has another one of the same
 * name, as when a cell is copied, it is numbered: `Masks of resnet50 (2)`.
 */
export function nameLandmark(node: HTMLElement, name: string): void {
  named.delete(node);
  const taken = new Set(named.values());
  let free = name;
  for (let count = 2; taken.has(free); count++) free = `${name} (${count})`;
  named.set(node, free);
  node.setAttribute('aria-label', free);
}

/** Gives the name of a display free that leaves the page. */
export function releaseLandmark(node: HTMLElement): void {
  named.delete(node);
}
