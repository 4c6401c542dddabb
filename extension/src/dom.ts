type Attributes = Readonly<Record<string, string | number | boolean | undefined>>;

/**
 * Creates an element. `true` sets an empty attribute, `false` and `undefined` leave it out; children that are
 * text become text nodes, never markup.
 */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children);
  return node;
}

const SVG = 'http://www.w3.org/2000/svg';

/** The same for SVG. */
export function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): SVGElementTagNameMap[K] {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children);
  return node;
}

let serial = 0;

/** An id that no other element has, for labels and `aria-controls`. */
export function uniqueId(prefix: string): string {
  serial += 1;
  return `fovea-${prefix}-${serial}`;
}

/** Scrolls a strip sideways until an item in it is visible with a margin, px; the page stays where it is. */
export function revealAcross(strip: HTMLElement, item: HTMLElement, margin: number): void {
  const box = item.getBoundingClientRect();
  const visible = strip.getBoundingClientRect();
  if (box.left < visible.left + margin) strip.scrollLeft -= visible.left + margin - box.left;
  else if (box.right > visible.right - margin) strip.scrollLeft += box.right - visible.right + margin;
}

/** Offers a blob as a file. */
export function download(name: string, blob: Blob): void {
  const url = URL.createObjectURL(blob);
  const link = element('a', { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  // Some browsers read the blob only after the click has been handled.
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** The picture in a `data:` URL. Pages whose policy names where they connect to, as the lab's, cannot fetch it. */
export function pngBlob(url: string): Blob {
  const binary = atob(url.slice(url.indexOf(',') + 1));
  return new Blob([Uint8Array.from(binary, (character) => character.charCodeAt(0))], { type: 'image/png' });
}

/** A name that every file system takes: `resnet50 · learned` becomes `resnet50-learned`. */
export function fileName(...parts: readonly (string | undefined)[]): string {
  const name = parts
    .filter(Boolean)
    .join(' ')
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Number}._]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '');
  return name.slice(0, 80) || 'fovea';
}
