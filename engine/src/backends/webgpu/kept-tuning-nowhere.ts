/** In the place of `kept-tuning.ts` in a browser, which has no files: what was timed is known as long as the page is. */
export function readTuning(): unknown {
  return undefined;
}

export async function changeTuning(_change: (kept: unknown) => object): Promise<void> {}

/** What of a browser's locks is used here. */
interface Locks {
  request(name: string, work: () => Promise<void>): Promise<void>;
}

/** As in `kept-tuning.ts`, among all pages and workers of an origin. */
export async function tuneAlone(work: () => Promise<void>): Promise<void> {
  const { navigator } = globalThis as { readonly navigator?: { readonly locks?: Locks } };
  // Pages that are not served safely have none.
  await (navigator?.locks ? navigator.locks.request('fovea webgpu tuning', work) : work());
}
