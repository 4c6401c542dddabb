import type { Runtime } from 'node:inspector';

const longest = 200;

/** A value on one line: text quoted, objects by their first properties. */
export function valueText(object: Runtime.RemoteObject): string {
  const text = fullText(object).replace(/\s+/g, (blank) => (blank.includes('\n') ? ' ' : blank));
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

function fullText({
  type,
  subtype,
  value,
  unserializableValue,
  description,
  preview,
}: Runtime.RemoteObject): string {
  if (type === 'undefined') return 'undefined';
  if (subtype === 'null') return 'null';
  if (type === 'string') return JSON.stringify(value);
  if (unserializableValue !== undefined) return unserializableValue;
  if (type === 'function') return functionText(description ?? 'function');
  if (type !== 'object') return description ?? String(value);
  if (subtype === 'error') return description?.split('\n')[0] ?? 'Error';
  return preview === undefined ? (description ?? 'Object') : previewText(preview, description);
}

/** The head of a function's source. */
function functionText(source: string): string {
  return /^class\b/.test(source)
    ? (/^class[^{]*/.exec(source)?.[0].trim() ?? 'class')
    : (/^[^{]*?(?==>|\{)/.exec(source)?.[0].trim() ?? source);
}

function previewText(preview: Runtime.ObjectPreview, description = preview.description ?? ''): string {
  const more = preview.overflow === true ? ', …' : '';
  if (preview.entries !== undefined) {
    const entries = preview.entries.map(({ key, value }) =>
      key === undefined ? value.description : `${key.description} => ${value.description}`,
    );
    return `${description} {${entries.join(', ')}${more}}`;
  }
  const properties = preview.properties ?? [];
  if (preview.subtype === 'array' || preview.subtype === 'typedarray') {
    return `${description} [${properties
      .filter(({ name }) => /^\d+$/.test(name))
      .map(propertyText)
      .join(', ')}${more}]`;
  }
  if (['date', 'regexp', 'promise', 'proxy', 'weakmap', 'weakset'].includes(preview.subtype ?? ''))
    return description;
  const head = description === 'Object' ? '' : `${description} `;
  return `${head}{${properties.map((property) => `${property.name}: ${propertyText(property)}`).join(', ')}${more}}`;
}

function propertyText({ type, subtype, value = '' }: Runtime.PropertyPreview): string {
  if (type === 'string') return JSON.stringify(value);
  if (type === 'function') return 'ƒ';
  if (type === 'accessor') return '(…)';
  return type === 'object' && subtype === undefined && value === 'Object' ? '{…}' : value;
}

/** `number`, `Array`, the class of an object. */
export function typeText({ type, subtype, className }: Runtime.RemoteObject): string {
  if (subtype === 'null') return 'null';
  return type === 'object' ? (className ?? 'object') : type;
}

/** Length of an array or typed array, from its description `Array(3)`. */
export function arrayLength({ subtype, description }: Runtime.RemoteObject): number | undefined {
  if (subtype !== 'array' && subtype !== 'typedarray') return undefined;
  const length = /\((\d+)\)$/.exec(description ?? '')?.[1];
  return length === undefined ? undefined : Number(length);
}
