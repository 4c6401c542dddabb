import { inspect } from 'node:util';

/** What a front end may show of a value: representations by MIME type, and metadata for them. */
export interface FormattedValue {
  readonly data: Record<string, unknown>;
  readonly metadata: Record<string, unknown>;
}

/** The representations of a value. */
export function formatValue(value: unknown): FormattedValue | Promise<FormattedValue> {
  return { data: { 'text/plain': inspect(value, { colors: false }) }, metadata: {} };
}
