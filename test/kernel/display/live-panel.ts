import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadNetwork, type Network } from '@fovea/engine';
import type { LiveReply, LiveState } from '@fovea/kernel';
import { encode } from 'fast-png';
import { afterAll, beforeAll, beforeEach } from 'vitest';
import { LiveLibrary } from '../../../kernel/src/display/live/library.js';
import { LiveSession } from '../../../kernel/src/display/live/session.js';

const checkpoint = fileURLToPath(new URL('../../fixtures/lasnet-tiny.safetensors', import.meta.url));

/** A live panel beside a notebook, as the kernel sees it: new for each test, with the network `tiny`. */
export class TestPanel {
  /** The notebook's, with a picture that can be read and one that cannot. */
  directory = '';
  tiny!: Network;
  library!: LiveLibrary;
  session!: LiveSession;
  replies: LiveReply[] = [];

  open(): void {
    this.library = new LiveLibrary(this.directory);
    this.library.add({ networks: { tiny: this.tiny } });
    this.replies = [];
    const { replies } = this;
    this.session = new LiveSession(this.library, (reply) => replies.push(reply));
  }

  /** The last reply of a kind; an error reply fails the test with its message. */
  last<Type extends LiveReply['type']>(type: Type): Extract<LiveReply, { type: Type }> {
    const { replies } = this;
    const error = replies.find((reply) => reply.type === 'error');
    if (error !== undefined && type !== 'error') throw new Error(error.message);
    const found = replies.findLast((reply) => reply.type === type);
    if (found === undefined)
      throw new Error(`no ${type} among ${replies.map((reply) => reply.type).join(', ')}`);
    return found as Extract<LiveReply, { type: Type }>;
  }

  async initialState(): Promise<LiveState> {
    await this.session.receive({ type: 'hello' });
    return { ...this.last('catalogue').catalogue.state, device: 'cpu-avx2', threads: 1 };
  }
}

/** Opens a panel before each test of a file. */
export function useLivePanel(): TestPanel {
  const panel = new TestPanel();
  beforeAll(async () => {
    panel.directory = mkdtempSync(join(tmpdir(), 'fovea-live-'));
    const data = new Uint8Array(30 * 20 * 3).fill(200);
    writeFileSync(join(panel.directory, 'mine.png'), encode({ width: 30, height: 20, channels: 3, data }));
    writeFileSync(join(panel.directory, 'broken.png'), 'not a picture');
    panel.tiny = await loadNetwork(checkpoint);
  });
  beforeEach(() => panel.open());
  afterAll(() => rmSync(panel.directory, { recursive: true }));
  return panel;
}

/** A region of 4 by 4 with its top left quarter painted. */
export const quarter = { rows: 4, columns: 4, cells: '1100110000000000' };
