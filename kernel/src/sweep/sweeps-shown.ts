import type { Comm } from '../display/comm.js';
import type { SweepOrder } from '../display/sweep-document.js';

/** Operations on a sweep. */
type Obedient = Readonly<Record<SweepOrder['action'], () => Promise<void>>>;

/** One place for every copy of this module that a process may have loaded. */
const key = Symbol.for('fovea.sweeps-shown');
type Holder = { [key]?: Map<string, Obedient> };

const shown = (): Map<string, Obedient> => {
  (globalThis as Holder)[key] ??= new Map();
  return (globalThis as Holder)[key]!;
};

/** The sweeps under way whose displays may be pressed, by the displays' ids. */
export const sweepsShown = {
  /** @returns removes it from the list */
  add(id: string, sweep: Obedient): () => void {
    shown().set(id, sweep);
    return () => shown().delete(id);
  },
};

/** Executes the order of a display's button. A sweep that is over, or another kernel's, cannot take orders. */
export function obeySweepOrder(comm: Comm, data: unknown): void {
  const { id, action } = (data ?? {}) as Partial<SweepOrder>;
  const sweep = shown().get(String(id));
  const wanted = sweep && (['pause', 'resume', 'cancel'] as const).find((name) => name === action);
  const done = sweep && wanted ? sweep[wanted]() : Promise.resolve();
  done
    .then(() => comm.close({ known: sweep !== undefined }))
    .catch((error: unknown) => comm.close({ known: true, error: String(error) }));
}
