// @module-tag process
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { LATENCY_MIME, MASKS_MIME } from '@fovea/kernel';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodePng } from '../../../kernel/src/display/picture.js';
import { TestKernel, type TestMessage } from '../client.js';

const fixtures = fileURLToPath(new URL('../../fixtures/', import.meta.url));
let kernel: TestKernel;

beforeAll(async () => {
  kernel = await TestKernel.start();
  for (const name of ['lasnet-tiny.safetensors', 'lasnet-tiny.json']) {
    copyFileSync(join(fixtures, name), join(kernel.directory, name));
  }
  const { error } = await kernel.execute(
    "import { loadNetwork, makePlan, predict, run } from '@fovea/engine';\nimport { searchGranularity } from '@fovea/engine/predict';\nconst network = await loadNetwork('lasnet-tiny.safetensors');\nconst picture = await fovea.sampleImage('fish', network);",
    { ms: 60_000 },
  );
  expect(error).toBeUndefined();
});

afterAll(() => kernel.stop());

/** The representations of a cell's only output. */
async function shown(code: string): Promise<Record<string, unknown>> {
  const { error, displays } = await kernel.execute(code, { ms: 60_000 });
  expect(error).toBeUndefined();
  expect(displays).toHaveLength(1);
  return displays[0]!.data;
}

describe('a cell’s last value', () => {
  it('is shown as what it is: network, plan, device, profile, masks, tensor, search, run', async () => {
    expect((await shown('network'))['text/html']).toContain('<table style="table-layout:auto">');
    expect((await shown("makePlan(network, { strategy: 'lasnet' })"))['text/plain']).toContain(
      '[scatter + add]',
    );
    expect((await shown("predict(network, { device: 'v100' })"))[LATENCY_MIME]).toMatchObject({ version: 1 });
    expect((await shown('picture.tensor'))['image/png']).toBeTypeOf('string');
    expect((await shown("searchGranularity(network, 'v100')"))['text/plain']).toMatch(/against .* dense/);
    const result = await shown(
      "const result = await run(network, picture.tensor, { granularity: 2, masker: 'saliency' });\nresult",
    );
    expect(result['text/plain']).toMatch(/measured/);
    expect((await shown('result.masks'))['text/plain']).toMatch(/block +S/);
  });
});

describe('fovea in a cell', () => {
  it('shows masks over the image, with a picture for front ends without the extension', async () => {
    const data = await shown("fovea.showMasks(result, picture, network, { title: 'Fish' })");
    expect(data[MASKS_MIME]).toMatchObject({ title: 'Fish', images: [{ name: 'fish' }] });
    expect(decodePng(Buffer.from(data['image/png'] as string, 'base64')).width).toBe(1520);
  });

  it('updates a display under its id, and a progress bar in its place', async () => {
    const { messages } = await kernel.execute(
      "const bar = fovea.progress(3, { label: 'steps' });\nfor (let i = 0; i < 3; i++) { await new Promise((next) => setTimeout(next, 120)); bar.advance(); }\nbar.finish();",
    );
    const bars = messages.filter(({ type }) => /display/.test(type));
    expect(bars[0]!.type).toBe('display_data');
    expect(bars.slice(1).every(({ type }) => type === 'update_display_data')).toBe(true);
    expect(new Set(bars.map(({ content }) => content.transient.display_id)).size).toBe(1);
    expect(bars.at(-1)!.content.data['text/plain']).toMatch(/3 of 3, 100 %/);
  });

  it('keeps its order among what is printed', async () => {
    const { messages } = await kernel.execute(
      "console.log('before'); fovea.showLatency(result.profile); console.log('after');",
    );
    const order = messages
      .filter(({ type }) => type === 'stream' || type === 'display_data')
      .map(({ type, content }) => (type === 'stream' ? content.text.trim() : 'display'));
    expect(order).toEqual(['before', 'display', 'after']);
  });
});

describe('the live panel', () => {
  const target = 'fovea.live';
  const comm = 'panel-1';
  const said = (type: string, serial?: number) => (message: TestMessage) =>
    message.type === 'comm_msg' &&
    message.content.comm_id === comm &&
    message.content.data.type === type &&
    (serial === undefined || message.content.data.serial === serial);

  it('is served by every kernel: catalogue, prediction, run, and the cell that reproduces it', async () => {
    await kernel.execute('await fovea.live({ networks: { network } });');
    kernel.send('shell', 'comm_open', { comm_id: comm, target_name: target, data: {} });
    kernel.send('shell', 'comm_msg', { comm_id: comm, data: { type: 'hello' } });
    const { catalogue } = (await kernel.wait(said('catalogue'), 30_000)).content.data;
    expect(catalogue.networks[0].name).toBe('network');

    const state = { ...catalogue.state, threads: 1 };
    kernel.send('shell', 'comm_msg', { comm_id: comm, data: { type: 'predict', serial: 1, state } });
    const prediction = (await kernel.wait(said('prediction', 1))).content.data;
    expect(prediction.profile.totalMs).toBeGreaterThan(0);

    kernel.send('shell', 'comm_msg', { comm_id: comm, data: { type: 'run', serial: 2, state } });
    const result = (await kernel.wait(said('result', 2))).content.data;
    expect(result.measured.origin).toBe('measured');
    expect(result.masks.images[0].blocks.length).toBeGreaterThan(0);

    kernel.send('shell', 'comm_msg', { comm_id: comm, data: { type: 'code', serial: 3, state } });
    const { source } = (await kernel.wait(said('code', 3))).content.data;
    expect(source).not.toContain('loadShippedModel');
    const { error, displays } = await kernel.execute(source, { ms: 60_000 });
    expect(error).toBeUndefined();
    expect(displays.map(({ data }) => Object.keys(data).find((type) => /fovea/.test(type)))).toEqual([
      MASKS_MIME,
      LATENCY_MIME,
    ]);
  });

  it('answers while a cell is waiting, when it speaks through a subshell as JupyterLab does', async () => {
    const { content } = await kernel.request('control', 'create_subshell_request');
    const header = { subshell_id: content.subshell_id };
    const id = kernel.start(
      'var gate = { open: false }; while (!gate.open) await new Promise((resolve) => setTimeout(resolve, 10)); "done"',
    );
    const { catalogue } = (await kernel.wait(said('catalogue'))).content.data;
    const state = { ...catalogue.state, threads: 1, masker: 'random', rate: 0.25 };
    kernel.send(
      'shell',
      'comm_msg',
      { comm_id: comm, data: { type: 'predict', serial: 9, state } },
      { header },
    );
    await kernel.wait(said('prediction', 9));
    await kernel.execute('gate.open = true', { header });
    expect((await kernel.finished(id)).result).toBe("'done'");
  });
});
