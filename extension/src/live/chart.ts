import { stepFor } from '../controls';
import type { LatencyProfile } from '../documents/types';
import { element, svg, uniqueId } from '../dom';
import { milliseconds, significant } from '../format';
import { followPointer } from '../pointing';

const HEIGHT = 96;

/** The profiles of the chart; each is compared with a dense time of the same origin. */
export interface ChartProfiles {
  readonly predicted: LatencyProfile | undefined;
  readonly predictedDense: LatencyProfile | undefined;
  readonly measured: LatencyProfile | undefined;
  readonly measuredDense: LatencyProfile | undefined;
}

type Kind = keyof ChartProfiles;

/** One block of the chart: times where they are known. */
export interface Bar {
  readonly name: string;
  readonly stage: number;
  readonly ms: Readonly<Record<Kind, number | undefined>>;
}

const KINDS: readonly Kind[] = ['predicted', 'predictedDense', 'measured', 'measuredDense'];

/** The blocks of profiles of one network, matched by index. */
export function chartBars(profiles: ChartProfiles): Bar[] {
  const times = new Map(
    KINDS.map((kind) => [kind, new Map(profiles[kind]?.blocks.map((block) => [block.block, block.totalMs]))]),
  );
  const named = KINDS.map((kind) => profiles[kind]).find((profile) => profile !== undefined);
  return (named?.blocks ?? []).map(({ block, name, stage }) => ({
    name,
    stage,
    ms: Object.fromEntries(KINDS.map((kind) => [kind, times.get(kind)!.get(block)])) as Bar['ms'],
  }));
}

/** Round values from 0 on for an axis that ends at `most`: two to five of them. */
export function axisTicks(most: number): number[] {
  const power = 10 ** Math.floor(Math.log10(most / 2));
  const step = [5, 2, 1].map((factor) => factor * power).find((each) => each <= most / 2)!;
  return Array.from({ length: Math.floor(most / step + 1e-9) + 1 }, (_, index) => index * step);
}

/** What the chart shows of a block: its name, and a line for each origin, `measured 0.240 ms, dense 0.310 ms`. */
export function barLines({ name, stage, ms }: Bar): string[] {
  const line = (origin: string, time: number | undefined, dense: number | undefined) => {
    const parts = [
      ...(time === undefined ? [] : [milliseconds(time)]),
      ...(dense === undefined ? [] : [`dense ${milliseconds(dense)}`]),
    ];
    return parts.length === 0 ? [] : [`${origin} ${parts.join(', ')}`];
  };
  return [
    `${name}, stage ${stage + 1}`,
    ...line('predicted', ms.predicted, ms.predictedDense),
    ...line('measured', ms.measured, ms.measuredDense),
  ];
}

const HINT = 'Point at a block, or step through them with the arrow keys.';

/**
 * Per-block times as small bars over an axis: predicted hatched, measured solid, dense times as marks. A line below says
 * the times of the block that is pointed at, or that the arrow keys are on.
 */
export class BlockChart {
  readonly node = element('div', { class: 'fovea-block-chart', hidden: true });
  private readonly axisPlace = element('div', { class: 'fovea-chart-axis', 'aria-hidden': 'true' });
  private readonly drawing = svg('svg', { width: '100%', height: HEIGHT, 'aria-hidden': 'true' });
  private readonly stagesPlace = element('div', { class: 'fovea-chart-stages', 'aria-hidden': 'true' });
  private readonly legendPlace = element('div', { class: 'fovea-chart-legend', 'aria-hidden': 'true' });
  private readonly readout = element('p', { class: 'fovea-readout', 'aria-hidden': 'true' });
  /** Keeps the focus while times come in, so what is in it is replaced and it is not. */
  private readonly list = element('div', {
    class: 'fovea-chart-blocks',
    role: 'listbox',
    tabindex: 0,
    'aria-orientation': 'horizontal',
  });
  private readonly id = uniqueId('bar');
  private bars: readonly Bar[] = [];
  private slots: readonly HTMLElement[] = [];
  private shown: ChartProfiles | undefined;
  /** The block that the arrow keys are on. */
  private at: number | undefined;
  private pointed: number | undefined;

  constructor() {
    this.node.append(
      element('div', { class: 'fovea-chart-unit' }, 'ms per block'),
      element(
        'div',
        { class: 'fovea-chart-area' },
        this.axisPlace,
        element('div', { class: 'fovea-chart-plot' }, this.drawing, this.list),
        element('span', { class: 'fovea-chart-caption' }, 'stage'),
        this.stagesPlace,
      ),
      this.legendPlace,
      this.readout,
    );
    this.list.addEventListener('keydown', (event) => {
      if (event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
      // The first key goes to the first block, or to the last.
      const from = this.at ?? (event.key === 'ArrowLeft' || event.key === 'ArrowUp' ? 0 : -1);
      const to = stepFor(event.key, from, this.bars.length);
      if (to === undefined) return;
      event.preventDefault();
      event.stopPropagation();
      this.at = to;
      this.pointed = undefined;
      this.showChosen();
    });
    followPointer(
      this.list,
      (event) => this.point(event),
      () => {
        this.pointed = undefined;
        this.showChosen();
      },
    );
  }

  show(profiles: ChartProfiles): void {
    const before = this.shown;
    // Progress of a run is shown many times a second, and changes nothing here.
    if (before && KINDS.every((kind) => before[kind] === profiles[kind])) return;
    this.shown = profiles;
    const bars = chartBars(profiles);
    const most = Math.max(...bars.flatMap(({ ms }) => Object.values(ms).map((value) => value ?? 0)), 0);
    this.node.hidden = most === 0;
    this.bars = most === 0 ? [] : bars;
    if (most === 0) return;
    if (this.at !== undefined && this.at >= bars.length) this.at = undefined;
    const ticks = axisTicks(most);
    const up = (ms: number) => HEIGHT - 2 - (ms / most) * (HEIGHT - 12);
    this.axisPlace.replaceChildren(...axisLabels(ticks, up));
    this.drawing.replaceChildren(
      svg('defs', {}, hatch()),
      ...ticks.map((ms) =>
        svg('line', { class: 'fovea-chart-grid', x1: 0, x2: '100%', y1: up(ms), y2: up(ms) }),
      ),
      ...bars.flatMap((bar, index) => marks(bar, index, 100 / bars.length, up)),
    );
    this.stagesPlace.replaceChildren(...stages(bars));
    this.legendPlace.replaceChildren(...legend(profiles));
    this.list.setAttribute(
      'aria-label',
      `Milliseconds per block, ${bars.length} blocks, the longest ${milliseconds(most)}`,
    );
    this.slots = bars.map((bar, index) =>
      element('div', { role: 'option', id: `${this.id}-${index}`, 'aria-label': barLines(bar).join('; ') }),
    );
    this.list.replaceChildren(...this.slots);
    this.showChosen();
  }

  private point({ clientX }: PointerEvent): void {
    const { left, width } = this.list.getBoundingClientRect();
    const index = Math.floor(((clientX - left) / width) * this.bars.length);
    if (index === this.pointed || index < 0 || index >= this.bars.length) return;
    this.pointed = index;
    this.showChosen();
  }

  private showChosen(): void {
    const chosen = this.pointed ?? this.at;
    const bar = chosen === undefined ? undefined : this.bars[chosen];
    this.slots.forEach((slot, index) => {
      slot.setAttribute('aria-selected', String(index === this.at));
      slot.classList.toggle('fovea-mod-chosen', index === chosen);
    });
    if (this.at === undefined) this.list.removeAttribute('aria-activedescendant');
    else this.list.setAttribute('aria-activedescendant', `${this.id}-${this.at}`);
    this.readout.textContent = bar ? barLines(bar).join('\n') : HINT;
    this.readout.classList.toggle('fovea-mod-rest', !bar);
  }
}

function axisLabels(ticks: readonly number[], up: (ms: number) => number): HTMLElement[] {
  const labels = ticks.map((ms) => {
    const label = element('span', {}, significant(ms));
    label.style.top = `${up(ms)}px`;
    return label;
  });
  // The widest label sets the width; those on the axis are placed and take none.
  const widest = ticks.map(significant).sort((a, b) => b.length - a.length)[0]!;
  return [element('span', { class: 'fovea-chart-room' }, widest), ...labels];
}

function stages(bars: readonly Bar[]): HTMLElement[] {
  return [...new Set(bars.map((bar) => bar.stage))].map((stage) => {
    const cell = element('span', {}, String(stage + 1));
    cell.style.flexGrow = String(bars.filter((bar) => bar.stage === stage).length);
    return cell;
  });
}

function hatch(): SVGElement {
  return svg(
    'pattern',
    { id: 'fovea-live-hatch', width: 4, height: 4, patternUnits: 'userSpaceOnUse' },
    svg('path', { d: 'M-1 5L5 -1M3 5L5 3M-1 1L1 -1', class: 'fovea-hatch-line' }),
  );
}

/** Bars and marks of one block. */
function marks({ ms }: Bar, index: number, slot: number, up: (ms: number) => number): SVGElement[] {
  const column = (time: number | undefined, offset: number, className: string) =>
    time === undefined
      ? []
      : [
          svg('rect', {
            class: className,
            x: `${(index + offset) * slot}%`,
            y: up(time),
            width: `${slot * 0.34}%`,
            height: Math.max(0.5, HEIGHT - 2 - up(time)),
          }),
        ];
  const mark = (time: number | undefined, offset: number) =>
    time === undefined
      ? []
      : [
          svg('line', {
            class: 'fovea-dense-mark',
            x1: `${(index + offset - 0.05) * slot}%`,
            x2: `${(index + offset + 0.39) * slot}%`,
            y1: up(time),
            y2: up(time),
          }),
        ];
  return [
    ...column(ms.predicted, 0.13, 'fovea-predicted-bar'),
    ...column(ms.measured, 0.53, 'fovea-measured-bar'),
    ...mark(ms.predictedDense, 0.13),
    ...mark(ms.measuredDense, 0.53),
  ];
}

function legend({ predicted, measured, predictedDense, measuredDense }: ChartProfiles): HTMLElement[] {
  const key = (shown: unknown, name: string, label: string) =>
    shown === undefined ? [] : [element('span', { class: `fovea-key-${name}` }, label)];
  return [
    ...key(predicted, 'predicted', 'predicted'),
    ...key(measured, 'measured', 'measured'),
    ...key(predictedDense ?? measuredDense, 'dense', 'the same, dense'),
  ];
}
