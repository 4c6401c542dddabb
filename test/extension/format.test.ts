import { describe, expect, it } from 'vitest';
import { fileName } from '../../extension/src/dom';
import { agreement, columnFigure, milliseconds } from '../../extension/src/format';
import { examplesAmong, exampleTitle } from '../../extension/src/lab/examples';

describe('figures on the page', () => {
  it('are rounded to what can be read', () => {
    expect([0, 0.0831, 1.2349, 12.349, 1240.4].map(milliseconds)).toEqual([
      '0 ms',
      '0.0831 ms',
      '1.23 ms',
      '12.3 ms',
      '1.24 s',
    ]);
    expect([0.9999, 1.4, 0.87, 99.96, 123.4, 999.6, 0.0000012].map(milliseconds)).toEqual([
      '1.00 ms',
      '1.40 ms',
      '0.870 ms',
      '100 ms',
      '123 ms',
      '1.00 s',
      '0.00000120 ms',
    ]);
    expect(columnFigure(1.5, 'total ms')).toBe('1.50');
    expect(columnFigure(1.5, 'denseMs')).toBe('1.50');
    expect(columnFigure(4, 'S')).toBe('4');
  });
});

describe('a prediction beside a measurement', () => {
  it.each([
    [10, 10.02, 'prediction exact to the percent'],
    [9, 10, 'prediction 10 % below'],
    [11.5, 10, 'prediction 15 % above'],
    [1, 32, 'measured 32× the prediction'],
    [25, 10, 'prediction 2.5× the measurement'],
    [0, 10, ''],
  ])('%d ms and %d ms: %s', (predicted, measured, words) => {
    expect(agreement(predicted, measured)).toBe(words);
  });
});

describe('names of saved files', () => {
  it('hold nothing that a file system refuses', () => {
    expect(fileName('ResNet 50', 'a/b: ../c', undefined)).toBe('resnet-50-a-b-..-c');
    expect(fileName('???')).toBe('fovea');
    expect(fileName('x'.repeat(300))).toHaveLength(80);
  });
});

describe('example notebooks', () => {
  it('are the numbered ones, in order', () => {
    const entry = (name: string, type = 'notebook') => ({ name, type, path: `notebooks/${name}` });
    expect(
      examplesAmong([
        entry('02-paint_a-region.ipynb'),
        entry('01-quick-look.ipynb'),
        entry('mine.ipynb'),
        entry('03-x', 'directory'),
      ]),
    ).toEqual([
      { path: 'notebooks/01-quick-look.ipynb', title: 'Quick look' },
      { path: 'notebooks/02-paint_a-region.ipynb', title: 'Paint a region' },
    ]);
    expect(exampleTitle('10-strategies.ipynb')).toBe('Strategies');
    expect(exampleTitle('03-why-flops-are-not-latency.ipynb')).toBe('Why FLOPs are not latency');
  });
});
