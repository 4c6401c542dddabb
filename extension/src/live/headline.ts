import type { LatencyProfile } from '../documents/types';
import { element } from '../dom';
import { agreement, milliseconds, significant } from '../format';
import type { Prediction, Result } from './session';

function figure(
  label: string,
  className: string,
): { node: HTMLElement; number: HTMLElement; note: HTMLElement } {
  const number = element('span', { class: 'fovea-number' });
  const note = element('span', { class: 'fovea-unit' });
  const node = element(
    'div',
    { class: `fovea-headline-figure ${className}` },
    element('div', { class: 'fovea-eyebrow' }, label),
    number,
    note,
  );
  return { node, number, note };
}

/** `0.53× dense`: how the time compares with the same network all dense. */
export function againstDense(ms: number, denseMs: number | undefined): string {
  return denseMs ? `${significant(ms / denseMs)}× dense` : '';
}

/** Predicted and measured time of the whole network, large, side by side. */
export class Headline {
  readonly node: HTMLElement;
  private readonly predicted = figure('Predicted', 'fovea-mod-predicted');
  private readonly measured = figure('Measured', 'fovea-mod-measured');
  private readonly progress = element('div', { class: 'fovea-meter' });
  private readonly fill = element('span', { class: 'fovea-meter-fill' });

  constructor() {
    this.progress.append(this.fill);
    this.node = element(
      'div',
      { class: 'fovea-headline' },
      this.predicted.node,
      this.measured.node,
      this.progress,
    );
  }

  show(options: {
    readonly prediction: Prediction | undefined;
    readonly predicted: LatencyProfile | undefined;
    readonly result: Result | undefined;
    /** Whether the prediction for the controls as they stand is overdue. */
    readonly isSlow: boolean;
    /** Whether the result belongs to the controls as they stand. */
    readonly isCurrent: boolean;
    readonly progress: { readonly fraction: number; readonly name: string } | undefined;
  }): void {
    const { prediction, predicted, result, isCurrent, isSlow, progress } = options;
    this.predicted.number.textContent = predicted ? milliseconds(predicted.totalMs) : '–';
    this.predicted.node.classList.toggle('fovea-mod-stale', isSlow);
    this.predicted.note.textContent = isSlow
      ? 'waiting for the kernel'
      : predicted && prediction
        ? againstDense(predicted.totalMs, prediction.dense.totalMs)
        : '';
    this.predicted.node.title = predicted ? `On ${predicted.device}, ${predicted.strategy}` : '';
    this.measured.number.textContent = result ? milliseconds(result.measured.totalMs) : '–';
    this.measured.node.classList.toggle('fovea-mod-stale', result !== undefined && !isCurrent);
    this.measured.note.textContent = progress
      ? progress.name || 'running…'
      : result && !isCurrent
        ? 'of the settings before'
        : result
          ? agreement(result.predicted.totalMs, result.measured.totalMs)
          : 'when the controls rest';
    this.progress.classList.toggle('fovea-mod-idle', !progress);
    this.fill.style.width = `${(progress?.fraction ?? 0) * 100}%`;
  }
}
