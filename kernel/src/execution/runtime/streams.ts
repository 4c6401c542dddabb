type WriteCallback = (error?: Error | null) => void;

/**
 * Sends what JavaScript writes to stdout and stderr straight to the host, in the order in which it was
 * written. What a cell does to the descriptors themselves cannot silence it.
 */
export function redirectStreams(write: (name: 'stdout' | 'stderr', text: string) => void): void {
  for (const name of ['stdout', 'stderr'] as const) {
    const decoder = new TextDecoder();
    const replacement = (
      chunk: string | Uint8Array,
      encoding?: BufferEncoding | WriteCallback,
      callback?: WriteCallback,
    ): boolean => {
      const done = typeof encoding === 'function' ? encoding : callback;
      const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
      if (text !== '') write(name, text);
      if (done) queueMicrotask(() => done());
      return true;
    };
    Object.defineProperty(process[name], 'write', { value: replacement, configurable: true, writable: true });
  }
}
