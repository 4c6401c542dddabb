import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  clearLine,
  duration,
  interruptible,
  progressLine,
  showProgress,
} from '../../../../kernel/src/cli/output/progress.js';
import { nameSkipped } from '../../../../kernel/src/cli/output/skipped.js';

/** What has been written to the error stream. */
let written: string[];

/** Makes the error stream a terminal of that many columns, or none. */
function terminal(columns: number | undefined): void {
  Object.assign(process.stderr, { isTTY: columns !== undefined, columns });
}

const { isTTY, columns: columnsBefore } = process.stderr;
beforeEach(() => {
  written = [];
  vi.stubEnv('TERM', 'xterm-256color');
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => written.push(String(text)) > 0);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  Object.assign(process.stderr, { isTTY, columns: columnsBefore });
});

describe('a line that shows progress', () => {
  const text = 'step 3/400: same class 93 %, distance 0.182, FLOPs 61 %, 12 s left';

  it.each([20, 40, 200])(
    'fits into a terminal of %i columns, where a longer one would wrap and stay',
    (columns) => {
      terminal(columns);
      progressLine(() => text)();
      const { update, end } = showProgress('calibrating');
      update(0.5, text);
      end();
      const whole = [text, `calibrating 50 % ${text}`].map((line) => line.slice(0, columns - 1));
      expect(written).toEqual([`\r\x1b[K${whole[0]}`, `\r\x1b[K${whole[1]}`, '\r\x1b[K']);
    },
  );

  it('is gone when the work has ended, whether it succeeded or not', async () => {
    terminal(80);
    await interruptible(async () => undefined);
    await expect(interruptible(() => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(written).toEqual(['\r\x1b[K', '\r\x1b[K']);
  });

  it('gives way to the names of files that were left out', () => {
    terminal(80);
    nameSkipped([{ file: 'a.bmp', reason: 'not read' }]);
    expect(written).toEqual(['\r\x1b[K', 'skipped a.bmp: not read\n']);
  });

  it.each([
    [1_400, '1 s'],
    [89_000, '89 s'],
    [120_000, '2 min'],
  ])('says %i ms in the most readable unit', (ms, text) => expect(duration(ms)).toBe(text));

  it.each([
    ['dumb terminal', 'dumb', 80],
    ['log', 'xterm', undefined],
  ])('is plain text, one line in half a minute, in a %s', async (_, term, columns) => {
    vi.stubEnv('TERM', term);
    vi.spyOn(performance, 'now').mockReturnValue(1e6);
    terminal(columns);
    const line = progressLine((step: number) => `step ${step}`);
    for (const step of [1, 2, 3]) line(step);
    const { update, end } = showProgress('calibrating');
    update(0.5, 'x');
    end();
    clearLine();
    await interruptible(async () => undefined);
    expect(written).toEqual(['step 1\n']);
  });
});

describe('a request to end', () => {
  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
    'by %s aborts the work, once, and is no longer heard after it',
    async (name) => {
      const before = process.listenerCount(name);
      const progress = showProgress('calibrating');
      await interruptible(async (signal) => {
        // npx passes on what the terminal has sent already.
        for (let i = 0; i < 2; i++) process.emit(name, name);
        expect([signal.aborted, progress.signal.aborted]).toEqual([true, true]);
      });
      progress.end();
      expect(process.listenerCount(name)).toBe(before);
    },
  );

  it('ends the process if it is repeated while the work goes on', async () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true);
    const now = vi.spyOn(performance, 'now').mockReturnValue(1000);
    await interruptible(async () => {
      process.emit('SIGTERM', 'SIGTERM');
      now.mockReturnValue(4000);
      process.emit('SIGINT', 'SIGINT');
    });
    expect(kill.mock.calls).toEqual([[process.pid, 'SIGINT']]);
  });
});
