import { run, Tensor } from '@fovea/engine';
import { type Backend, getBackend, referenceBackend, registerBackend } from '@fovea/engine/backend';
import { describe, expect, it } from 'vitest';
import { randomImages, smallNetwork } from '../support/small-network.js';

const network = smallNetwork();
const images = randomImages(network);
const asks = (backend: unknown) => run(network, images, { backend: backend as Backend });

/** A backend whose sessions answer with something else than they should. */
const answering = (change: (result: object) => unknown): Backend => ({
  name: 'mine',
  async open(of, shape) {
    const session = await referenceBackend.open(of, shape);
    return {
      run: async (input, options) => change(await session.run(input, options)) as never,
      dispose: () => session.dispose(),
    };
  },
});

describe("a backend of one's own", () => {
  it('runs by value and by name', async () => {
    const own = answering((result) => result);
    const expected = await asks('reference');
    expect((await asks(own)).output.data).toEqual(expected.output.data);
    registerBackend(own);
    expect(getBackend('mine')).toBe(own);
    expect((await asks('mine')).masks).toHaveLength(expected.masks.length);
  });

  it.each<[string, unknown, RegExp]>([
    ['nothing', null, /^backend null: the name of a backend, or \{ name, open \} is accepted$/],
    ['a number', 3, /^backend 3: /],
    ['no name', { open: referenceBackend.open }, /^backend an object without a name: /],
    ['no function open', { name: 'x' }, /^backend an object without a function "open": /],
    ['no session', { name: 'x', open: () => undefined }, /^backend "x" opened a session without .* "run"; /],
    [
      'a session that is never disposed of',
      { name: 'x', open: async () => ({ run: async () => undefined }) },
      /^backend "x" opened a session without a function "dispose"; \{ run, dispose \} is accepted$/,
    ],
    ['no result', answering(() => undefined), /^backend "mine" answered with no tensor as its "output"; /],
    [
      'a flat output',
      answering((result) => ({ ...result, output: { data: new Float32Array(3), shape: [3] } })),
      /no tensor as its "output"/,
    ],
    ['no masks', answering((result) => ({ ...result, masks: undefined })), /no list of "masks"/],
    ['no profile', answering((result) => ({ ...result, profile: {} })), /no "profile" with ops, blocks and/],
  ])('is refused with %s', async (_, backend, message) => {
    await expect(asks(backend)).rejects.toThrow(message);
    await expect(asks(backend)).rejects.toMatchObject({ code: 'bad-argument' });
  });

  it('is refused when it is registered without what it needs', () => {
    expect(() => registerBackend({ name: 'x' } as Backend)).toThrow(/without a function "open"/);
    expect(() => registerBackend(undefined as never)).toThrow(/^backend undefined: /);
  });

  it('that says why it cannot run is refused with that', async () => {
    registerBackend({
      ...answering((result) => result),
      name: 'gone',
      unavailable: 'its board is unplugged',
    });
    await expect(run(network, Tensor.zeros(images.shape), { backend: 'gone' })).rejects.toThrow(
      'backend gone: its board is unplugged',
    );
  });
});
