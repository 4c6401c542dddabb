import os from 'node:os';

let processor: string | undefined;

/** Name of this machine's processor; read once: asking the system takes longer than a small block. */
export function thisProcessor(): string {
  processor ??= os.cpus()[0]?.model.trim() || 'this machine';
  return processor;
}
