import { describe, expect, it } from 'vitest';
import { summary } from './case.js';
import { check } from './check.js';
import { generate } from './generate.js';

describe('generated', () => {
  for (let seed = 1; seed <= Number(process.env.N ?? 20); seed++) {
    it(`seed ${seed}`, async () => {
      const test = generate(seed, { multiplyAdds: 3e8, sides: [48, 160], runs: 6 });
      const t = performance.now();
      const outcome = await check(test);
      console.log(seed, summary(test), JSON.stringify(outcome), (performance.now() - t).toFixed(0));
      expect(outcome.failure).toBeUndefined();
    });
  }
});
