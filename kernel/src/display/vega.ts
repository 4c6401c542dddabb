import { types } from 'node:util';
import type { MimeBundle } from './bundle.js';
import { peek } from './own-display.js';

/** A Vega or Vega-Lite specification names the schema that it follows. */
const schema = /^https?:\/\/vega\.github\.io\/schema\/(vega|vega-lite)\/v(\d+)/;

/** The newest version that has a MIME type which front ends draw; specifications of later ones are drawn by it too. */
const NEWEST = 5;
/** The oldest version of each that they still draw as itself. */
const OLDEST = { vega: 5, 'vega-lite': 3 } as const;

/**
 * Vega and Vega-Lite charts: specifications with their `$schema`, and what gives one by `toSpec()` or `toJSON()`.
 * `undefined` for anything else.
 */
export function vegaBundle(value: object): MimeBundle | undefined {
  const spec = specOf(value);
  if (spec === undefined) return undefined;
  const [, kind, version] = schema.exec(String(spec.$schema)) as unknown as [
    string,
    keyof typeof OLDEST,
    string,
  ];
  const drawn = Math.min(NEWEST, Math.max(OLDEST[kind], Number(version)));
  const type = kind === 'vega' ? 'vega' : 'vegalite';
  return {
    data: { [`application/vnd.${type}.v${drawn}+json`]: spec, 'text/plain': describe(kind, spec) },
    metadata: {},
  };
}

type Spec = Readonly<Record<string, unknown>>;

function isSpec(value: unknown): value is Spec {
  if (typeof value !== 'object' || value === null) return false;
  const named = peek(value, '$schema');
  return typeof named === 'string' && schema.test(named);
}

function specOf(value: object): Spec | undefined {
  if (isSpec(value)) return value;
  // Values of the platform never give a chart, and a proxy may seem to have any method.
  if (types.isProxy(value) || types.isDate(value) || ArrayBuffer.isView(value) || Array.isArray(value))
    return undefined;
  for (const name of ['toSpec', 'toJSON']) {
    const method = peek(value, name);
    if (typeof method !== 'function') continue;
    try {
      const spec: unknown = method.call(value);
      if (isSpec(spec)) return spec;
    } catch {
      // Not a chart, or not a complete one.
    }
  }
  return undefined;
}

function describe(kind: string, spec: Spec): string {
  const mark =
    typeof spec.mark === 'string' ? spec.mark : (spec.mark as { type?: unknown } | undefined)?.type;
  const title =
    typeof spec.title === 'string' ? spec.title : (spec.title as { text?: unknown } | undefined)?.text;
  const name = kind === 'vega' ? 'Vega chart' : 'Vega-Lite chart';
  return [
    name,
    ...(typeof mark === 'string' ? [mark] : []),
    ...(typeof title === 'string' ? [JSON.stringify(title)] : []),
  ].join(', ');
}
