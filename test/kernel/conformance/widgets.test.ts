// @module-tag process
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TestKernel, type TestMessage } from '../client.js';

/** A model as ipywidgets keeps it: its state in the comm, binary parts beside it, updates both ways. */
const model = `
const widget = {
  state: { _model_name: "ImageModel", width: 2, image: new Uint8Array([1, 2, 3, 255]) } as Record<string, unknown>,
  pack(keys = Object.keys(this.state)) {
    const binary = keys.filter((key) => this.state[key] instanceof Uint8Array);
    return {
      state: Object.fromEntries(keys.filter((key) => !binary.includes(key)).map((key) => [key, this.state[key]])),
      buffer_paths: binary.map((key) => [key]),
      buffers: binary.map((key) => this.state[key] as Uint8Array),
    };
  },
};
const { buffers, ...opened } = widget.pack();
const channel = comms.open("jupyter.widget", opened, { metadata: { version: "2.1.0" }, buffers });
channel.onMessage = (data: any, { buffers }) => {
  if (data.method === "request_state") {
    const { buffers, ...whole } = widget.pack();
    channel.send({ method: "update", ...whole }, { buffers });
  } else if (data.method === "update") {
    Object.assign(widget.state, data.state);
    data.buffer_paths.forEach(([key]: string[], index: number) => { widget.state[key] = buffers[index]; });
    const { buffers: echoed, ...echo } = widget.pack([...Object.keys(data.state), ...data.buffer_paths.flat()]);
    channel.send({ method: "echo_update", ...echo }, { buffers: echoed });
  } else channel.send({ method: "custom", content: { heard: data.content } });
};
channel.onClose = () => { widget.state.closed = true; };
({ [Symbol.for("Jupyter.display")]: () => ({ "text/plain": "a widget", "application/vnd.jupyter.widget-view+json": { version_major: 2, version_minor: 0, model_id: channel.id } }) })`;

let kernel: TestKernel;
let opening: TestMessage;
let comm_id: string;

beforeAll(async () => {
  kernel = await TestKernel.start();
});
afterAll(() => kernel.stop());

/** Sends the model a message; what it answers on its comm. */
async function talk(data: object, buffers: readonly Buffer[] = []): Promise<TestMessage[]> {
  const id = kernel.send('shell', 'comm_msg', { comm_id, data }, { buffers });
  await kernel.idle(id);
  return kernel.heard.filter(({ type, parent }) => type === 'comm_msg' && parent.msg_id === id);
}

describe('a widget', () => {
  it('is opened by its cell with state, version and binary parts, and shown by a view of its model', async () => {
    const { messages, displays } = await kernel.execute(model);
    opening = messages.find(({ type }) => type === 'comm_open')!;
    comm_id = opening.content.comm_id;
    expect(opening.content).toEqual({
      comm_id,
      target_name: 'jupyter.widget',
      data: { state: { _model_name: 'ImageModel', width: 2 }, buffer_paths: [['image']] },
    });
    expect(opening.metadata).toEqual({ version: '2.1.0' });
    expect(opening.buffers.map((buffer) => [...buffer])).toEqual([[1, 2, 3, 255]]);
    expect(displays[0]!.data['application/vnd.jupyter.widget-view+json'].model_id).toBe(comm_id);
    const { content } = await kernel.request('shell', 'comm_info_request', { target_name: 'jupyter.widget' });
    expect(Object.keys(content.comms)).toEqual([comm_id]);
  });

  it('takes updates from the front end, binary ones too, and echoes them', async () => {
    const [echo, ...more] = await talk({ method: 'update', state: { width: 3 }, buffer_paths: [['image']] }, [
      Buffer.from([9, 8, 7]),
    ]);
    expect(more).toEqual([]);
    expect(echo!.content.data).toEqual({
      method: 'echo_update',
      state: { width: 3 },
      buffer_paths: [['image']],
    });
    expect([...echo!.buffers[0]!]).toEqual([9, 8, 7]);
    expect((await kernel.execute('[widget.state.width, widget.state.image]')).result).toContain('9, 8, 7');
  });

  it('sends updates from a cell, attributed to it', async () => {
    const { messages } = await kernel.execute(
      'widget.state.width = 4\nchannel.send({ method: "update", state: { width: 4 }, buffer_paths: [["image"]] }, { buffers: [new Uint8Array(300_000).fill(7)] })',
    );
    const update = messages.find(({ type }) => type === 'comm_msg')!;
    expect(update.content.data.state).toEqual({ width: 4 });
    expect(update.buffers[0]!.length).toBe(300_000);
    expect(update.buffers[0]!.every((byte) => byte === 7)).toBe(true);
  });

  it('gives a front end that comes later its whole state, and passes custom messages', async () => {
    const [whole] = await talk({ method: 'request_state' });
    expect(whole!.content.data.state).toEqual({ _model_name: 'ImageModel', width: 4 });
    expect([...whole!.buffers[0]!]).toEqual([9, 8, 7]);
    const [custom] = await talk({ method: 'custom', content: { event: 'click' } });
    expect(custom!.content.data).toEqual({ method: 'custom', content: { heard: { event: 'click' } } });
  });

  it('is updated in order while a cell waits, and forgotten when the front end closes it', async () => {
    const waiting = kernel.start(
      'while (widget.state.width !== 19) await new Promise((resolve) => setTimeout(resolve, 10)); widget.state.width',
    );
    const ids = Array.from({ length: 20 }, (_, width) =>
      kernel.send('shell', 'comm_msg', {
        comm_id,
        data: { method: 'update', state: { width }, buffer_paths: [] },
      }),
    );
    await kernel.idle(ids.at(-1)!);
    const echoes = kernel.heard.filter(
      ({ type, parent }) => type === 'comm_msg' && ids.includes(parent.msg_id),
    );
    expect(echoes.map(({ content }) => content.data.state.width)).toEqual(ids.map((_, width) => width));
    expect((await kernel.finished(waiting)).result).toBe('19');
    await kernel.idle(kernel.send('shell', 'comm_close', { comm_id, data: {} }));
    expect((await kernel.execute('widget.state.closed')).result).toBe('true');
    const stranger = randomUUID();
    await kernel.idle(kernel.send('shell', 'comm_msg', { comm_id: stranger, data: {} }));
    expect((await kernel.request('shell', 'comm_info_request')).content.comms).toEqual({});
  });
});
