import { existsSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { processSpace, startOf } from '@fovea/engine/files';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkStillHeld, holdingCheckpoint } from '../../../engine/src/train/checkpoint-lock.js';

let folder: string;
let checkpoint: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(os.tmpdir(), 'fovea-checkpoint-'));
  checkpoint = path.join(folder, 'run.state');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const underWay = (file: string, process_ = process.pid) =>
  `a run that keeps its state in ${file} is under way in process ${process_}; one at a time is accepted`;

/** Work that ends when it is asked to. */
function slow() {
  let end!: () => void;
  const work = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { end, work: () => work };
}

const done = async () => 'done';

describe('the checkpoint of a run', () => {
  it('is kept by one run at a time in a process, also under the name of a link to it', async () => {
    const { end, work } = slow();
    const link = path.join(folder, 'link.state');
    symlinkSync('run.state', link);
    const first = holdingCheckpoint(checkpoint, undefined, work);
    await expect.poll(() => existsSync(`${checkpoint}.lock`)).toBe(true);
    for (const name of [checkpoint, link]) {
      await expect(holdingCheckpoint(name, undefined, done)).rejects.toMatchObject({
        code: 'bad-argument',
        message: underWay(name),
      });
    }
    end();
    await first;
    expect(await holdingCheckpoint(link, undefined, done)).toBe('done');
    expect(readdirSync(folder)).toEqual(['link.state']);
  });

  it('is kept by one process at a time', async () => {
    writeFileSync(`${checkpoint}.lock`, `${process.ppid} ${processSpace} ${startOf(process.ppid) ?? ''}\n`);
    await expect(holdingCheckpoint(checkpoint, undefined, done)).rejects.toThrow(
      underWay(checkpoint, process.ppid),
    );
  });

  it('is held already by what a command does inside of its own hold', async () => {
    const nested = () => holdingCheckpoint(checkpoint, undefined, done);
    expect(await holdingCheckpoint(checkpoint, undefined, nested)).toBe('done');
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is taken over from a run that was aborted, when that has ended', async () => {
    const { end, work } = slow();
    const controller = new AbortController();
    const order: string[] = [];
    const first = holdingCheckpoint(checkpoint, controller.signal, () =>
      work().then(() => order.push('first')),
    );
    await expect.poll(() => existsSync(`${checkpoint}.lock`)).toBe(true);
    controller.abort();
    const second = holdingCheckpoint(checkpoint, undefined, async () => order.push('second'));
    setTimeout(end, 50);
    await Promise.all([first, second]);
    expect([order, readdirSync(folder)]).toEqual([['first', 'second'], []]);
  });

  it('is taken over from a run that was terminated and never ends, which takes nothing from the next', async () => {
    const { end, work } = slow();
    const controller = new AbortController();
    const first = holdingCheckpoint(checkpoint, controller.signal, async () => {
      await checkStillHeld(checkpoint);
      await work();
      // What comes back all the same writes over nothing.
      await expect(checkStillHeld(checkpoint)).rejects.toThrow('another run keeps its state there by now');
    });
    await expect.poll(() => existsSync(`${checkpoint}.lock`)).toBe(true);
    controller.abort();
    const next = async () => {
      end();
      await first;
      return existsSync(`${checkpoint}.lock`);
    };
    expect(await holdingCheckpoint(checkpoint, undefined, next, 20)).toBe(true);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is not saved any more when another machine has it, which took this one for dead while that slept', async () => {
    const state = async () => {
      await checkStillHeld(checkpoint);
      writeFileSync(`${checkpoint}.lock`, '999999999 0123456789abcdef 1\n');
      await checkStillHeld(checkpoint);
    };
    await expect(holdingCheckpoint(checkpoint, undefined, state)).rejects.toMatchObject({
      code: 'io',
      message: expect.stringContaining('another run keeps its state there by now'),
    });
    expect(readdirSync(folder)).toEqual(['run.state.lock']);
  });

  it('has to be in a folder that is there: none is made for its lock', async () => {
    const missing = path.join(folder, 'missing', 'run.state');
    await expect(holdingCheckpoint(missing, undefined, done)).rejects.toThrow('there is no such folder');
    expect(readdirSync(folder)).toEqual([]);
  });
});
