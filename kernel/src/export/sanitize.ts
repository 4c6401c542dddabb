import sanitize from 'sanitize-html';

/** Elements of formulas, as KaTeX writes MathML. */
const MATH = (
  'math semantics annotation mrow mi mn mo ms mtext mspace msup msub msubsup mfrac msqrt mroot munder mover ' +
  'munderover mtable mtr mtd mlabeledtr mpadded mphantom menclose mstyle merror mmultiscripts mprescripts none'
).split(' ');

/** Drawings that other kernels put into their HTML. */
const DRAWING = (
  'svg g path rect circle ellipse line polyline polygon text tspan defs lineargradient radialgradient stop ' +
  'clippath pattern title desc'
).split(' ');

const EXTRA = ['img', 'details', 'summary', 'del', 'ins', 'center', 'font', 'input', 'meter', 'progress'];

/** Attributes that only set appearance or names. */
const HARMLESS = (
  'class id style title alt width height align valign colspan rowspan scope span start type value reversed open ' +
  'dir lang role name aria-label aria-hidden data-* xmlns viewbox preserveaspectratio d x y x1 x2 y1 y2 cx cy r ' +
  'rx ry dx dy points transform fill fill-opacity fill-rule stroke stroke-width stroke-opacity stroke-linecap ' +
  'stroke-linejoin stroke-dasharray opacity clip-path text-anchor font-size font-family font-weight offset ' +
  'stop-color stop-opacity gradientunits gradienttransform dominant-baseline display encoding mathvariant ' +
  'stretchy fence separator lspace rspace minsize maxsize movablelimits accent accentunder linethickness ' +
  'columnalign rowspacing columnspacing displaystyle scriptlevel notation depth voffset color checked disabled ' +
  'min max low high optimum size'
).split(' ');

/** The value of `src` to show instead of the one written, or undefined to leave the picture out. */
export type ImageSource = (source: string) => string | undefined;

/**
 * HTML of a notebook without anything that could run, load or navigate: scripts, style sheets, frames,
 * forms, event handlers, addresses other than the web's.
 */
export function sanitizeHtml(html: string, imageSource: ImageSource): string {
  return sanitize(html, {
    allowedTags: [...sanitize.defaults.allowedTags, ...EXTRA, ...MATH, ...DRAWING],
    allowedAttributes: { '*': HARMLESS, a: ['href', ...HARMLESS], img: ['src', ...HARMLESS] },
    allowedSchemes: ['http', 'https', 'mailto'],
    allowedSchemesByTag: { img: ['data'] },
    allowProtocolRelative: false,
    transformTags: {
      img: (tagName, { src = '', srcset: _, ...attribs }): sanitize.Tag => {
        const shown = imageSource(src);
        if (shown !== undefined) return { tagName, attribs: { src: shown, ...attribs } };
        // What cannot be embedded is named, so that a reader knows what is missing.
        return { tagName: 'span', attribs: {}, text: `[${attribs.alt || src}]` };
      },
      input: (tagName, attribs): sanitize.Tag => ({ tagName, attribs: { ...attribs, disabled: '' } }),
    },
    exclusiveFilter: ({ tag, attribs }) => tag === 'input' && attribs.type !== 'checkbox',
  });
}

/** Sources of the pictures in HTML, in their order. */
export function imageSources(html: string): string[] {
  const found: string[] = [];
  sanitizeHtml(html, (source) => {
    found.push(source);
    return undefined;
  });
  return found;
}
