import { describe, expect, it } from 'vitest';
import { Answers } from '../../../extension/src/live/answers';

describe('answers that are awaited', () => {
  it('reach the request of their number, in any order, and once', async () => {
    const answers = new Answers();
    const [first, second] = [answers.wait<string>(1), answers.wait<string>(2)];
    expect(answers.take(2, 'second')).toBe(true);
    expect(answers.take(1, 'first')).toBe(true);
    expect(answers.take(1, 'again')).toBe(false);
    expect(await Promise.all([first, second])).toEqual(['first', 'second']);
  });

  it('may be errors, of one request or of all that are left', async () => {
    const answers = new Answers();
    const [failing, left] = [answers.wait(1), answers.wait(2)];
    expect(answers.take(1, new Error('no memory'))).toBe(true);
    answers.rejectAll('the worker has ended');
    await expect(failing).rejects.toThrow('no memory');
    await expect(left).rejects.toThrow('the worker has ended');
    expect(answers.take(2, 'late')).toBe(false);
  });

  it('that no request waits for are left to others', () => {
    const answers = new Answers();
    expect(answers.take(undefined, 'unnumbered')).toBe(false);
    expect(answers.take(7, 'unknown')).toBe(false);
  });
});
