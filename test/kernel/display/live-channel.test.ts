import { fileURLToPath } from 'node:url';
import { loadNetwork } from '@fovea/engine';
import type { LiveReply } from '@fovea/kernel';
import * as kernel from '@fovea/kernel';
import { describe, expect, it } from 'vitest';

const checkpoint = fileURLToPath(new URL('../../fixtures/lasnet-tiny.safetensors', import.meta.url));

describe('the panel’s channel', () => {
  it('is served from the moment it opens, and offers networks that cells add', async () => {
    const tiny = await loadNetwork(checkpoint);
    kernel.connectOutput({ display: () => undefined });
    const sent: LiveReply[] = [];
    const channel: kernel.LiveChannel = {
      onMessage: undefined,
      onClose: undefined,
      send: (data) => sent.push(data as LiveReply),
    };
    kernel.serveLive(channel);
    channel.onMessage!({ type: 'hello' });
    await expect.poll(() => sent.length, { timeout: 20_000 }).toBe(1);
    await kernel.fovea.live({ networks: { tiny } });
    expect(sent).toHaveLength(2);
    expect(sent[1]).toMatchObject({
      type: 'catalogue',
      catalogue: { networks: expect.arrayContaining([expect.objectContaining({ name: 'tiny' })]) },
    });
    channel.onClose!();
    await kernel.fovea.live();
    channel.onMessage!({ type: 'hello' });
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sent).toHaveLength(2);
  });
});
