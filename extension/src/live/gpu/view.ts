import { toggle } from '../../controls';
import { element } from '../../dom';
import { milliseconds } from '../../format';
import type { LiveGpuPrediction } from '../protocol';
import { againstDense } from '../words';
import type { GpuResult, GpuRuns } from './runs';

const whole = (count: number) => count.toLocaleString('en');

/** `masks as the kernel’s in all 1,960 cells, output within 3e-7`: how far a GPU and the kernel agree. */
export function agreementSentence({ cells, differingCells, outputError }: GpuResult): string {
  const masks =
    cells === 0
      ? 'no masks'
      : differingCells === 0
        ? `masks as the kernel’s in all ${whole(cells)} cells`
        : `masks unlike the kernel’s in ${whole(differingCells)} of ${whole(cells)} cells`;
  return `${masks}, output ${outputError === 0 ? 'the same' : `within ${outputError.toExponential(0)}`}`;
}

/** `predicted 3.1 ms, 0.6× dense (5.2 ms), on NAME`: never to be taken for another GPU's. */
function predictionSentence(predicted: LiveGpuPrediction | undefined): string {
  if (!predicted) return 'no prediction: fovea calibrate --backend webgpu makes one possible';
  const { device, totalMs, denseMs } = predicted;
  return `predicted ${milliseconds(totalMs)}, ${againstDense(totalMs, denseMs)}, on ${device}`;
}

/** The part of the panel about this browser's GPU: a switch, its time beside the kernel's, and how far both agree. */
export class GpuView {
  readonly node: HTMLElement;
  private readonly button: HTMLButtonElement;
  private readonly number = element('span', { class: 'fovea-number' });
  private readonly note = element('span', { class: 'fovea-unit' });
  private readonly predicted = element('span', { class: 'fovea-unit fovea-mod-quiet' });
  private readonly figure: HTMLElement;
  private readonly line = element('p', { class: 'fovea-unit fovea-mod-quiet', role: 'status' });

  constructor(
    private readonly runs: GpuRuns,
    onChange: (enabled: boolean) => void,
  ) {
    const { node } = toggle({
      label: 'Also on this browser’s GPU',
      hint: 'Run the same network and plan in this page, beside the kernel',
      value: runs.enabled,
      onChange,
    });
    this.button = node as HTMLButtonElement;
    this.figure = element('div', { class: 'fovea-gpu-figure' }, this.number, this.note, this.predicted);
    this.node = element('div', { class: 'fovea-gpu' }, this.button, this.figure, this.line);
  }

  /** @param isCurrent whether the result belongs to the controls as they stand */
  show(isCurrent: boolean): void {
    const { runs, node, button, figure, line } = this;
    const { found, enabled, activity, problem, result } = runs;
    node.hidden = found === undefined;
    if (!found) return;
    button.disabled = 'missing' in found;
    button.setAttribute('aria-pressed', String(enabled));
    const times = result?.times;
    figure.hidden = !times;
    figure.classList.toggle('fovea-mod-stale', times !== undefined && !isCurrent);
    this.number.textContent = times ? milliseconds(times.totalMs) : '';
    this.note.textContent = times
      ? isCurrent
        ? againstDense(times.totalMs, times.denseMs)
        : 'of the settings before'
      : '';
    this.predicted.textContent = times && isCurrent ? predictionSentence(result.predicted) : '';
    line.classList.toggle('fovea-mod-warning', problem !== undefined || runs.isSoftware);
    if ('missing' in found) line.textContent = found.missing;
    else if (problem !== undefined) line.textContent = `This browser’s GPU could not do this: ${problem}`;
    else {
      const name = runs.isSoftware
        ? `${found.name}: a software driver, its time says nothing of a GPU`
        : found.name;
      const state = activity ? `${activity}…` : result && isCurrent ? agreementSentence(result) : '';
      const choice =
        result?.state.strategy === 'auto' && isCurrent ? 'auto chose for the kernel’s processor' : '';
      line.textContent = [name, state, choice].filter(Boolean).join(' · ');
    }
  }
}
