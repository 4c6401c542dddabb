/** An object of JSON, of whose fields nothing is known yet. */
export type JsonObject = Record<string, unknown>;

/** Whether a parsed value is an object: neither `null` nor a list. */
export const isJsonObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
