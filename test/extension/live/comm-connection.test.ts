import { describe, expect, it } from 'vitest';
import { commConnection } from '../../../extension/src/lab/comm-connection';

const kernel = (id: string, handleComms: boolean, isDisposed = false) => ({ id, handleComms, isDisposed });
/** A notebook or a console with a kernel, or without one. */
const view = (own?: ReturnType<typeof kernel>) => ({
  sessionContext: { session: own ? { kernel: own } : null },
});
const find = (own: object, views: readonly object[]) => commConnection(own as never, views as never);

describe('the connection that opens comms', () => {
  const own = kernel('a', false);

  it('is the view’s own where it was opened first', () => {
    const first = kernel('a', true);
    expect(find(first, [view(kernel('a', false)), view(first)])).toBe(first);
  });

  it('is that of the notebook or console of the same kernel that was opened first', () => {
    const first = kernel('a', true);
    expect(find(own, [view(own), view(), view(kernel('b', true)), view(first)])).toBe(first);
  });

  it('is none where it belongs to something else, or its view was closed', () => {
    expect(find(own, [view(own), view(kernel('b', true)), view(kernel('a', true, true))])).toBeUndefined();
  });
});
