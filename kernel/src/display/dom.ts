import type { MimeBundle } from './bundle.js';
import { peek } from './own-display.js';

const SVG_NAMESPACE = 'http://www.w3.org/2000/svg';

/** Longest markup that represents a node as text. */
const TEXT_LENGTH = 1000;

/**
 * Elements, documents and fragments of any DOM (jsdom, linkedom, …) as what they are: SVG elements as pictures,
 * others as HTML. `undefined` for anything else.
 */
export function domBundle(value: object): MimeBundle | undefined {
  const markup = markupOf(value);
  if (markup === undefined) return undefined;
  const text =
    markup.length > TEXT_LENGTH
      ? `${markup.slice(0, TEXT_LENGTH)}… (${markup.length.toLocaleString('en')} characters)`
      : markup;
  const svg = /^\s*<svg[\s>]/.test(markup);
  return {
    data: { [svg ? 'image/svg+xml' : 'text/html']: svg ? standalone(markup) : markup, 'text/plain': text },
    metadata: {},
  };
}

function markupOf(value: object): string | undefined {
  const own = peek(value, 'outerHTML');
  if (typeof own === 'string') return own;
  if (typeof peek(value, 'nodeType') !== 'number') return undefined;
  const root = peek(value, 'documentElement');
  if (typeof root === 'object' && root !== null) return markupOf(root);
  const children = peek(value, 'childNodes');
  if (typeof children !== 'object' || children === null || peek(value, 'nodeType') !== 11) return undefined;
  return Array.from(children as ArrayLike<object>, (child) => markupOf(child) ?? escapedText(child)).join('');
}

function escapedText(node: object): string {
  return String(peek(node, 'textContent') ?? '').replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** SVG for use outside of an HTML page, with the namespaces that HTML implies. */
function standalone(svg: string): string {
  const [tag] = /^\s*<svg[^>]*>/.exec(svg) ?? [''];
  const missing = [
    ...(/\sxmlns=/.test(tag) ? [] : [`xmlns="${SVG_NAMESPACE}"`]),
    ...(/xlink:/.test(svg) && !/\sxmlns:xlink=/.test(tag)
      ? ['xmlns:xlink="http://www.w3.org/1999/xlink"']
      : []),
  ];
  return missing.length === 0 ? svg : svg.replace(/<svg/, `<svg ${missing.join(' ')}`);
}
