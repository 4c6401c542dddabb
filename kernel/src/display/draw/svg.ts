/**
 * Drawings are SVG text, put together with `element` and rasterised without a browser. Every string goes
 * through `escapeMarkup`, so a label from a model file cannot become markup.
 */

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** `text` with the characters that mean something in XML and HTML replaced, those that XML forbids dropped. */
export function escapeMarkup(text: string): string {
  return Array.from(text, (character) => entities[character] ?? (isAllowed(character) ? character : '')).join(
    '',
  );
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function isAllowed(character: string): boolean {
  const code = character.codePointAt(0)!;
  if (code < 0x20) return code === 0x9 || code === 0xa || code === 0xd;
  return !(code >= 0xd800 && code <= 0xdfff) && code !== 0xfffe && code !== 0xffff;
}

/** An SVG element. Children are markup already; attributes are escaped here, undefined ones left out. */
export function element(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escapeMarkup(value!)}"`)
    .join('');
  const content = children.join('');
  return content === '' ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

/** Coordinates to a hundredth of a pixel: enough for a sharp line, short in the file. */
export function round(value: number): number {
  return Number.isFinite(value) ? Math.round(value * 100) / 100 : 0;
}

/** A rectangular drawing with its own background, so that it reads the same on light and dark pages. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  /** Markup inside the svg element. */
  readonly content: string;
}

/** The whole SVG document of a drawing. */
export function svgDocument({ width, height, content }: Drawing): string {
  return element(
    'svg',
    { xmlns: 'http://www.w3.org/2000/svg', width, height, viewBox: `0 0 ${round(width)} ${round(height)}` },
    content,
  );
}

/** Drawings one below the other, left edges aligned, with `gap` pixels between them. */
export function stack(drawings: readonly Drawing[], gap = 8): Drawing {
  const placed: string[] = [];
  let y = 0;
  for (const drawing of drawings) {
    placed.push(element('g', { transform: `translate(0 ${round(y)})` }, drawing.content));
    y += drawing.height + gap;
  }
  return {
    width: Math.max(1, ...drawings.map((drawing) => drawing.width)),
    height: Math.max(1, y - gap),
    content: placed.join(''),
  };
}
