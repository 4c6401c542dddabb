/**
 * A copy of a protobuf message with some fields changed. Spreading one would lose its prototype, where the
 * defaults of fields that are not set live.
 */
export function changed<T extends object>(message: T, changes: Partial<T>): T {
  return Object.assign(Object.create(Object.getPrototypeOf(message) as object), message, changes) as T;
}
