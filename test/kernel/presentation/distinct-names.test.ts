import { describe, expect, it } from 'vitest';
import { distinctNames } from '../../../kernel/src/presentation/index.js';

describe('names without what they have in common', () => {
  it('keep the parts in which they differ', () => {
    expect(distinctNames(['net.stage.layer1.0.conv', 'net.stage.layer2.0.conv'])).toEqual([
      '…layer1.0…',
      '…layer2.0…',
    ]);
    expect(distinctNames(['model/a/conv', 'model/b'])).toEqual(['…a/conv', '…b']);
  });

  it('are left whole where they are the same, where there is one, or where little is common', () => {
    for (const names of [
      [],
      ['net.layer1'],
      ['net.layer1', 'net.layer1'],
      ['layer1.0', 'layer1.1'],
      ['a.x', 'a.y'],
    ]) {
      expect(distinctNames(names)).toEqual(names);
    }
  });

  it('break no number', () => {
    expect(distinctNames(['resnet18, rate 0.25', 'resnet18, rate 0.5'])).toEqual(['…rate 0.25', '…rate 0.5']);
    expect(distinctNames(['speed 1.5 active cells', 'pace 2.5 active cells'])).toEqual([
      'speed 1.5…',
      'pace 2.5…',
    ]);
  });
});
