import type { Contents, Kernel } from '@jupyterlab/services';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { uploadPicture } from '../../../extension/src/live/dropped-pictures';
import type { GpuEnvironment, KernelRun } from '../../../extension/src/live/gpu/runs';
import { GpuRuns } from '../../../extension/src/live/gpu/runs';
import { LiveSession } from '../../../extension/src/live/session';
import { FakeKernel } from '../support/fakekernel';
import { sampleAnswers } from '../support/samples';

const answers = sampleAnswers();
const [firstImage] = answers.catalogue.images;
/** What can be chosen when there are pictures of these names beside the notebook. */
const offering = (...names: string[]) => ({
  type: 'catalogue',
  catalogue: {
    ...answers.catalogue,
    images: [...answers.catalogue.images, ...names.map((name) => ({ ...firstImage!, name }))],
  },
});

beforeEach(() => {
  vi.useFakeTimers();
  const stored = new Map<string, string>();
  vi.stubGlobal('window', { setTimeout, clearTimeout });
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => stored.set(key, value),
    removeItem: (key: string) => stored.delete(key),
  });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A session with a kernel that answers when the test says so; both are ready. */
async function session() {
  const kernel = new FakeKernel('k', answers);
  const live = new LiveSession(kernel as unknown as Kernel.IKernelConnection);
  live.autoRun = false;
  await vi.advanceTimersByTimeAsync(10);
  kernel.answering = false;
  return { kernel, live };
}

describe('a live session', () => {
  it('shows a prediction that came very late, as long as no other was asked for', async () => {
    const { kernel, live } = await session();
    live.change({ rate: 0.25 });
    const { serial } = kernel.requests.at(-1) as { readonly serial: number };
    await vi.advanceTimersByTimeAsync(20_000);
    const { profile, dense } = answers;
    kernel.reply({ type: 'prediction', serial, profile: { ...profile, totalMs: 123 }, dense, computeMs: 1 });
    expect(live.prediction?.profile.totalMs).toBe(123);
    kernel.reply({ type: 'prediction', serial, profile: { ...profile, totalMs: 456 }, dense, computeMs: 1 });
    expect(live.prediction?.profile.totalMs).toBe(123);
  });

  it('waits for the catalogue that was asked for after a picture had come', async () => {
    const { kernel, live } = await session();
    // The first catalogue was made before the second picture was there.
    const [one, two] = [live.want('one.png'), live.want('two.png')];
    expect(kernel.requests.at(-1)).toEqual({ type: 'hello', picture: 'two.png' });
    kernel.reply(offering('one.png'));
    expect(await one).toEqual({ outcome: 'chosen' });
    expect(live.state?.image).toBe('one.png');
    kernel.reply(offering('one.png', 'two.png'));
    expect(await two).toEqual({ outcome: 'chosen' });
    expect(live.state?.image).toBe('two.png');
  });

  it('says what has become of a file: refused, not found, or unknown when the kernel is gone', async () => {
    const { kernel, live } = await session();
    const answer = (more: object) => ({
      type: 'catalogue',
      catalogue: { ...offering('one.png').catalogue, ...more },
    });
    const none = live.want('none.png');
    kernel.reply(answer({}));
    expect(await none).toMatchObject({
      outcome: 'missing',
      reason: expect.stringMatching(/none.png: it is not in the folder where the kernel was started/),
    });
    const last = live.want('last.png');
    kernel.reply(answer({ moreImages: 4 }));
    expect(await last).toMatchObject({
      reason: expect.stringMatching(/last.png: there are too many pictures/),
    });
    const cut = live.want('cut.png');
    kernel.reply(answer({ refusedImages: [{ name: 'cut.png', reason: 'cut.png is cut off' }] }));
    expect(await cut).toEqual({ outcome: 'refused', reason: 'cut.png is cut off.' });
    const late = live.want('late.png');
    live.dispose();
    expect(await late).toEqual({ outcome: 'unknown' });
  });

  it('tells a kernel that has started again of the picture that was put there', async () => {
    const { kernel, live } = await session();
    void live.want('mine.png');
    kernel.reply(offering('mine.png'));
    kernel.setStatus('restarting');
    kernel.setStatus('idle');
    await vi.advanceTimersByTimeAsync(10);
    expect(kernel.requests.findLast(({ type }) => type === 'hello')).toEqual({
      type: 'hello',
      picture: 'mine.png',
    });
  });

  it('takes up the comm of before a reload also when the kernel’s status changes meanwhile', async () => {
    const kernel = new FakeKernel('k', answers);
    kernel.holds.add('before');
    sessionStorage.setItem('fovea.live:k', 'before');
    const live = new LiveSession(kernel as unknown as Kernel.IKernelConnection);
    kernel.setStatus('busy');
    kernel.setStatus('idle');
    await vi.advanceTimersByTimeAsync(10);
    expect(live.connection).toBe('ready');
    expect(kernel.opened).toBe(0);
  });
});

it('a browser’s GPU whose script fails while the network is fetched says so, and begins again', async () => {
  const workers: { onerror?: (event: unknown) => void; posted: string[] }[] = [];
  const environment: GpuEnvironment = {
    find: async () => ({ name: 'Fake 4000', software: false }),
    makeWorker() {
      const posted: string[] = [];
      workers.push({ posted });
      const postMessage = ({ type }: { type: string }) => posted.push(type);
      return Object.assign(workers.at(-1)!, { postMessage, terminate: () => undefined }) as never;
    },
  };
  const piece = async () => {
    await new Promise((resolve) => setTimeout(resolve, 100));
    return { bytes: new Uint8Array(4), totalBytes: 8 };
  };
  const gpu = new GpuRuns({ piece, onChange: () => undefined, environment });
  const run = {
    state: answers.catalogue.state,
    masks: answers.masks,
    browser: { key: 'one', plan: { blocks: [] }, shape: [1, 1, 1, 3] },
    buffers: [new Uint8Array(12), new Uint8Array(12)],
  } as unknown as KernelRun;
  void gpu.repeat(run);
  await vi.advanceTimersByTimeAsync(50);
  workers[0]!.onerror!({ preventDefault: () => undefined, message: 'no such script' });
  await vi.advanceTimersByTimeAsync(1000);
  expect(gpu).toMatchObject({ activity: undefined, problem: expect.stringContaining('no such script') });
  void gpu.repeat(run);
  await vi.advanceTimersByTimeAsync(1000);
  expect(workers[1]!.posted).toEqual(['network', 'run']);
});

it('two pictures of one name that are dropped one right after the other are both kept', async () => {
  class Reader {
    result = 'data:image/png;base64,AAAA';
    onload: () => void = () => undefined;
    readAsDataURL(): void {
      setTimeout(() => this.onload(), 10);
    }
  }
  vi.stubGlobal('FileReader', Reader);
  const saved: string[] = [];
  const contents = {
    get: async () => ({ content: saved.map((name) => ({ name })) }),
    save: async (name: string) => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      saved.push(name);
    },
  } as unknown as Pick<Contents.IManager, 'get' | 'save'>;
  const drop = () => uploadPicture(contents, '', { name: 'a.png', type: 'image/png', size: 3 } as File);
  const names = Promise.all([drop(), drop()]);
  await vi.advanceTimersByTimeAsync(1000);
  expect(await names).toEqual(['a.png', 'a 2.png']);
  expect(saved).toEqual(['a.png', 'a 2.png']);
});
