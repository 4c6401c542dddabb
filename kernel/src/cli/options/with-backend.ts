import type { SweepBackend } from '../../sweep/backend.js';

/** The option that names a queue in the place of this machine. */
export const QUEUE_OPTION = [
  '--queue <url>',
  'address of the queue that holds them (default: those of this machine)',
] as const;

/** Works with the sweeps of a queue, or of this machine. */
export async function withBackend(
  { queue }: { readonly queue?: string | undefined },
  work: (backend: SweepBackend) => Promise<void>,
): Promise<void> {
  const { openBackend } = await import('../../sweep/open-backend.js');
  const backend = await openBackend(queue === undefined ? {} : { queue });
  try {
    await work(backend);
  } finally {
    await backend.close();
  }
}
