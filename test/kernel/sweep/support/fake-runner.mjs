/**
 * Computes points as they say in their network's name: `sleep 50`, `held 50` (sleeps where another runner began it before, and never
 * ends where none did), `spin 3000` (blocks its event loop), `throw`, `die`, `full` (its disk is),
 * `leave 9000` (starts a process that holds its output open so long, and dies).
 * Notes every start and end in the file that EXEC_LOG names, with the worker that WORKER names.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

const note = (what, id) => {
  if (process.env.EXEC_LOG)
    appendFileSync(process.env.EXEC_LOG, `${what} ${id} ${process.env.WORKER ?? ''} ${Date.now()}\n`);
};

const works = {
  sleep: async (ms, progress) => {
    for (let i = 1; i <= 4; i++) {
      await sleep(ms / 4);
      progress(i / 4);
    }
  },
  held: async (ms, progress, id) => {
    const starts = readFileSync(process.env.EXEC_LOG, 'utf8').split(`start ${id} `).length - 1;
    if (starts === 1) await new Promise(() => undefined);
    await works.sleep(ms, progress);
  },
  spin: (ms) => {
    const end = Date.now() + ms;
    while (Date.now() < end);
  },
  throw: () => {
    throw new Error('this point always fails');
  },
  full: () => {
    throw Object.assign(new Error('cannot keep it: the disk is full'), { disk: 'ENOSPC' });
  },
  leave: (ms) => {
    console.error('the runner leaves something behind');
    const code = `setTimeout(() => undefined, ${ms})`;
    spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'ignore', 'inherit'], detached: true }).unref();
    process.exit(3);
  },
  die: () => {
    console.error('the runner gives up');
    process.exit(3);
  },
};

process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => undefined);
process.on('message', async ({ id, point, materials }) => {
  note('start', id);
  const [work, ms = '0'] = point.network.split(' ');
  try {
    await works[work](Number(ms), (fraction) => process.send({ type: 'progress', id, fraction }), id);
    note('end', id);
    process.send({ type: 'result', id, result: { slept: Number(ms), repeat: point.repeat, materials } });
  } catch (error) {
    process.send({ type: 'error', id, message: error.message, disk: error.disk });
  }
});
process.send({ type: 'ready', dataFolder: process.env.FOVEA_DATA_DIR ?? '', labels: {} });
