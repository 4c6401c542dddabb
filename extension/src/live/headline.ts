import { formatPercent } from '@fovea/kernel/presentation';
import { button } from '../controls';
import type { LatencyProfile } from '../documents/types';
import { element } from '../dom';
import { milliseconds } from '../format';
import type { LiveDevice } from './protocol';
import type { Prediction, Result } from './session';
import { againstDense, deviceSentence, predictionError } from './words';

function figure(label: string, className: string) {
  const number = element('span', { class: 'fovea-number' });
  const note = element('span', { class: 'fovea-unit' });
  const place = element('span', { class: 'fovea-unit fovea-mod-quiet' });
  const node = element(
    'div',
    { class: `fovea-headline-figure ${className}` },
    element('div', { class: 'fovea-eyebrow' }, label),
    number,
    note,
    place,
  );
  return { node, number, note, place };
}

export interface HeadlineOptions {
  readonly prediction: Prediction | undefined;
  readonly predicted: LatencyProfile | undefined;
  /** What is predicted for. */
  readonly device: LiveDevice | undefined;
  /** What the prediction in the result was for. */
  readonly resultDevice: LiveDevice | undefined;
  readonly result: Result | undefined;
  /** Whether the prediction for the controls as they stand is overdue. */
  readonly isSlow: boolean;
  /** Whether the result belongs to the controls as they stand. */
  readonly isCurrent: boolean;
  /** Whether what is under way measures the machine. */
  readonly isCalibrating: boolean;
  readonly progress: { readonly fraction: number; readonly name: string } | undefined;
}

/** Predicted and measured time of the whole network, large, side by side, each beside its own dense time. */
export class Headline {
  readonly node: HTMLElement;
  private readonly predicted = figure('Predicted', 'fovea-mod-predicted');
  private readonly measured = figure('Measured', 'fovea-mod-measured');
  private readonly calibrate: HTMLButtonElement;
  private readonly progress = element('div', { class: 'fovea-meter' });
  private readonly fill = element('span', { class: 'fovea-meter-fill' });

  /** @param onCalibrate called when the person wants this machine measured */
  constructor(onCalibrate: () => void) {
    this.progress.append(this.fill);
    this.calibrate = button(
      'Calibrate this machine',
      onCalibrate,
      'Measure this machine (about 20 seconds), so that predictions are for it',
    );
    this.node = element(
      'div',
      // It takes the focus where the button that had it has gone.
      { class: 'fovea-headline', role: 'group', 'aria-label': 'Predicted and measured time', tabindex: -1 },
      this.predicted.node,
      this.measured.node,
      this.calibrate,
      this.progress,
    );
  }

  show(options: HeadlineOptions): void {
    const { progress, isCalibrating } = options;
    this.showPredicted(options);
    this.showMeasured(options);
    this.calibrate.hidden = options.device?.kind !== 'generic-cpu' || isCalibrating;
    this.progress.classList.toggle('fovea-mod-idle', !progress);
    this.fill.style.width = `${(progress?.fraction ?? 0) * 100}%`;
  }

  private showPredicted({ prediction, predicted, device, isSlow }: HeadlineOptions): void {
    const { node, number, note, place } = this.predicted;
    number.textContent = predicted ? milliseconds(predicted.totalMs) : '–';
    node.classList.toggle('fovea-mod-stale', isSlow);
    note.textContent = isSlow
      ? 'waiting for the kernel'
      : predicted && prediction
        ? againstDense(predicted.totalMs, prediction.dense.totalMs)
        : '';
    place.textContent = deviceSentence(device);
    place.classList.toggle('fovea-mod-warning', device?.kind === 'generic-cpu');
    node.title = predicted ? `On ${predicted.device}, ${predicted.strategy}` : '';
  }

  private showMeasured({ result, resultDevice, isCurrent, isCalibrating, progress }: HeadlineOptions): void {
    const { node, number, note, place } = this.measured;
    number.textContent = result ? milliseconds(result.measured.totalMs) : '–';
    node.classList.toggle('fovea-mod-stale', result !== undefined && !isCurrent);
    place.textContent = 'on this machine';
    if (progress) {
      note.textContent = isCalibrating
        ? `measuring this machine, ${formatPercent(progress.fraction, 0)}`
        : progress.name || 'running…';
    } else if (!result) note.textContent = 'when the controls rest';
    else if (!isCurrent) note.textContent = 'of the settings before';
    else {
      const { measured, predicted, dense } = result;
      note.textContent = againstDense(measured.totalMs, dense.totalMs);
      const error = predictionError(resultDevice, predicted.totalMs, measured.totalMs);
      if (error) place.textContent = `on this machine, ${error}`;
    }
  }
}
