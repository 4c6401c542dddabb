import { Buffer } from 'node:buffer';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import process from 'node:process';

const { queueMicrotask, TextDecoder } = globalThis;

type WriteCallback = (error?: Error | null) => void;
type Name = 'stdout' | 'stderr';

const descriptors: Readonly<Record<number, Name>> = { 1: 'stdout', 2: 'stderr' };

/**
 * Sends what JavaScript writes to stdout and stderr straight to the host, in the order in which it was
 * written, by whichever function. What a cell does to the descriptors themselves cannot silence it.
 *
 * @param isOpen whether a descriptor is still the one that the runtime was started with
 */
export function redirectStreams(
  write: (name: Name, text: string) => void,
  isOpen: (descriptor: number) => boolean,
): void {
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  const print = (name: Name, chunk: unknown) => {
    const text = ArrayBuffer.isView(chunk)
      ? decoders[name].decode(chunk as Uint8Array, { stream: true })
      : String(chunk);
    if (text !== '') write(name, text);
  };
  for (const name of ['stdout', 'stderr'] as const) {
    const replacement = (
      chunk: string | Uint8Array,
      encoding?: BufferEncoding | WriteCallback,
      callback?: WriteCallback,
    ): boolean => {
      const done = typeof encoding === 'function' ? encoding : callback;
      print(name, chunk);
      if (done) queueMicrotask(() => done());
      return true;
    };
    Object.defineProperty(process[name], 'write', { value: replacement, configurable: true, writable: true });
  }
  const writeSync = fs.writeSync as (descriptor: number, chunk: unknown, ...rest: unknown[]) => number;
  (fs as { writeSync: unknown }).writeSync = (descriptor: number, chunk: unknown, ...rest: unknown[]) => {
    const name = descriptors[descriptor];
    const whole = typeof chunk === 'string' || (ArrayBuffer.isView(chunk) && rest.length === 0);
    if (!name || !whole || !isOpen(descriptor)) return writeSync(descriptor, chunk, ...rest);
    print(name, chunk);
    return typeof chunk === 'string' ? Buffer.byteLength(chunk) : chunk.byteLength;
  };
  syncBuiltinESMExports();
}
