import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import {
  getStrategy,
  loadNetwork,
  type Network,
  predict,
  registerStrategy,
  run,
  Tensor,
} from '@fovea/engine';
import { readNetwork } from '@fovea/engine/web';
import type { LiveReply, LiveState } from '@fovea/kernel';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { storeGpuCalibration } from '../../../engine/src/predict/gpu/this-gpu.js';
import { LiveLibrary } from '../../../kernel/src/display/live/library.js';
import { LiveSession } from '../../../kernel/src/display/live/session.js';
import { useDataFolder } from '../../support/data-folder.js';
import { madeUpGpu } from '../../support/made-up-gpu.js';

useDataFolder();

const fixture = (name: string) => fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
const floats = (bytes: Uint8Array) => new Float32Array(Uint8Array.from(bytes).buffer);

let tiny: Network;
let library: LiveLibrary;
let session: LiveSession;
let replies: { readonly reply: LiveReply; readonly buffers: readonly Uint8Array[] }[];

beforeAll(async () => {
  tiny = await loadNetwork(fixture('lasnet-tiny.safetensors'));
});

beforeEach(() => {
  library = new LiveLibrary(tmpdir());
  library.add({ networks: { tiny } });
  replies = [];
  session = new LiveSession(library, (reply, buffers = []) => replies.push({ reply, buffers }));
});

function last<Type extends LiveReply['type']>(type: Type) {
  const found = replies.findLast(({ reply }) => reply.type === type);
  if (!found) throw new Error(`no ${type}: ${JSON.stringify(replies.at(-1)?.reply).slice(0, 200)}`);
  return found as { reply: Extract<LiveReply, { type: Type }>; buffers: readonly Uint8Array[] };
}

async function stateOf(change: Partial<LiveState>): Promise<LiveState> {
  await session.receive({ type: 'hello' });
  return { ...last('catalogue').reply.catalogue.state, threads: 1, ...change };
}

async function runInBrowser(change: Partial<LiveState> = {}) {
  const state = await stateOf(change);
  await session.receive({ type: 'run', serial: 1, state, inBrowser: true });
  const { reply, buffers } = last('result');
  return { state, browser: reply.browser!, buffers };
}

/** The run's own network, which a browser may compute. */
function accepted(browser: Awaited<ReturnType<typeof runInBrowser>>['browser']) {
  if ('refused' in browser) throw new Error(browser.refused);
  return browser;
}

/** A whole file, as the panel fetches it. */
async function fetched(key: string): Promise<Uint8Array> {
  const bytes: number[][] = [];
  for (let offset = 0, total = 1; offset < total; ) {
    await session.receive({ type: 'network', serial: 2, network: 'tiny', key, offset });
    const { reply, buffers } = last('network');
    expect(reply).toMatchObject({ serial: 2, key, offset });
    total = reply.totalBytes;
    bytes.push([...buffers[0]!]);
    offset += buffers[0]!.length;
  }
  return Uint8Array.from(bytes.flat());
}

describe('a run that a browser is to do again', () => {
  it('comes with network, plan and input, from which the same output follows', async () => {
    const { browser, buffers } = await runInBrowser({ masker: 'saliency', rate: 0.5 });
    const { key, plan, shape } = accepted(browser);
    const network = await readNetwork(await fetched(key), { name: 'tiny' });
    const [input, output] = buffers.map(floats);
    const again = await run(network, new Tensor(shape as [number, number, number, number], input!), {
      plan: JSON.parse(JSON.stringify(plan)),
      masker: 'saliency',
      rate: 0.5,
      threads: 1,
    });
    expect([...again.output.data]).toEqual([...output!]);
    expect(again.masks.map(({ cells }) => [...cells].join(''))).toEqual(
      last('result').reply.masks.images[0]!.blocks.map(({ cells }) => cells),
    );
  });

  it('comes with what the calibrated GPU is predicted to take, but not a software driver', async () => {
    const change = { masker: 'saliency', rate: 0.5, strategy: 'streamed', device: 'v100' } as const;
    expect(accepted((await runInBrowser(change)).browser).predicted).toBeUndefined();
    storeGpuCalibration(madeUpGpu({ software: true }));
    expect(accepted((await runInBrowser(change)).browser).predicted).toBeUndefined();
    storeGpuCalibration(madeUpGpu());
    const { plan, predicted } = accepted((await runInBrowser(change)).browser);
    const result = await run(tiny, (await library.image((await stateOf({})).image, tiny)).tensor, {
      masker: 'saliency',
      rate: 0.5,
      plan,
    });
    const expected = predict(tiny, { device: 'this-gpu', plan, masks: result.masks });
    expect(predicted).toEqual({
      device: 'a GPU of round numbers',
      totalMs: expected.totalMs,
      denseMs: predict(tiny, { device: 'this-gpu', strategy: 'dense' }).totalMs,
    });
    expect(predicted!.totalMs).not.toBe(predicted!.denseMs);
  });

  it('says nothing of it, and sends no bytes, where nobody asked', async () => {
    const state = await stateOf({});
    await session.receive({ type: 'run', serial: 1, state });
    expect(last('result').reply.browser).toBeUndefined();
    expect(last('result').buffers).toEqual([]);
  });

  it('is refused for pieces that only onnxruntime computes, and measured all the same', async () => {
    library.add({ networks: { einsum: await loadNetwork(fixture('networks/mid_Einsum.onnx')) } });
    const { browser, buffers } = await runInBrowser({
      network: 'einsum',
      masker: 'saliency',
      granularity: [1],
    });
    expect(browser).toEqual({ refused: expect.stringMatching(/only onnxruntime computes \(.*Einsum/) });
    expect(buffers).toEqual([]);
    expect(last('result').reply.measured.totalMs).toBeGreaterThan(0);
  });

  it('is refused for plans with functions in them', async () => {
    const base = getStrategy('lasnet');
    registerStrategy({
      ...base,
      name: 'with-function',
      plan: (context) => ({
        ...base.plan(context),
        rewrite: { name: 'as it is', apply: (steps) => steps },
      }),
    });
    const { browser } = await runInBrowser({ strategy: 'with-function' });
    expect(browser).toEqual({ refused: expect.stringContaining('strategy with-function hold functions') });
  });

  it('sends no other network under the key of the one that was run, and nothing beyond its end', async () => {
    const { key } = accepted((await runInBrowser()).browser);
    await session.receive({ type: 'network', serial: 3, network: 'tiny', key, offset: 1e9 });
    expect(last('error').reply).toMatchObject({
      serial: 3,
      message: expect.stringMatching(/^offset 1000000000: 0 to/),
    });
    library.add({ networks: { tiny: { ...tiny } } });
    await session.receive({ type: 'network', serial: 4, network: 'tiny', key, offset: 0 });
    expect(last('error').reply).toMatchObject({
      serial: 4,
      message: expect.stringContaining('is another network now'),
    });
  });
});
