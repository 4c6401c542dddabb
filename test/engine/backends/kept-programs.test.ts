import { makePlan, type Plan, resolveMaskers } from '@fovea/engine';
import { describe, expect, it } from 'vitest';
import { KeptPrograms } from '../../../engine/src/backends/kept-programs.js';
import { smallNetwork } from '../support/small-network.js';

const network = smallNetwork({ strides: [1] });
const { height, width, channels } = network.inputShape;
const plan = makePlan(network, { strategy: 'streamed' });
/** What is kept of a session's programs. */
const KEPT = 16;

function programs() {
  const [made, dropped]: [object[], object[]] = [[], []];
  const kept = new KeptPrograms<object>(network, [1, height, width, channels], {
    make: () => {
      const program = {};
      made.push(program);
      return program;
    },
    drop: (program) => dropped.push(program),
  });
  const at = (rate: number, of: Plan = plan) =>
    kept.get(of, resolveMaskers(network, { masker: 'saliency', rate }));
  return { kept, made, dropped, at };
}

describe('programs kept by a session', () => {
  it('are dropped when there are more than it keeps, the one used longest ago first', () => {
    const { made, dropped, at } = programs();
    const [first, second] = [at(0.01), at(0.02)];
    for (let i = 3; i <= KEPT; i++) at(i / 100);
    expect(at(0.01)).toBe(first);
    expect(dropped).toEqual([]);
    at(0.99);
    expect(dropped).toEqual([second]);
    expect(at(0.01)).toBe(first);
    expect(made).toHaveLength(KEPT + 1);
  });

  it('are dropped once each when they are cleared, and the one that is left out not at all', () => {
    const { kept, made, dropped, at } = programs();
    for (let i = 1; i <= 5; i++) at(i / 10);
    kept.clear(made[2]);
    expect(new Set(dropped)).toEqual(new Set(made.filter((_, i) => i !== 2)));
    expect(dropped).toHaveLength(4);
    expect(at(0.3)).toBe(made[2]);
    expect(at(0.1)).not.toBe(made[0]);
  });

  it('are not dropped when they are forgotten: they were of no use', () => {
    const { kept, made, dropped, at } = programs();
    const program = at(0.5);
    kept.forget(program);
    expect(at(0.5)).not.toBe(program);
    expect(made).toHaveLength(2);
    expect(dropped).toEqual([]);
  });

  it('are known by what a plan says, however many plans came between', () => {
    const { made, at } = programs();
    const copy = () => structuredClone(plan) as Plan;
    at(0.5, copy());
    at(0.5, copy());
    expect(made).toHaveLength(1);
  });
});
