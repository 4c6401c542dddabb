/** In the place of `kept-tuning.ts` in a browser, which has no files: what was timed is known as long as the page is. */
export function readTuning(): unknown {
  return undefined;
}

export function writeTuning(_tuning: object): void {}
