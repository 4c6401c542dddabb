import type { LatencyProfile } from '../documents/types';
import { element, svg } from '../dom';
import { milliseconds, significant } from '../format';

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

const LABELS: Readonly<Record<Kind, string>> = {
  predicted: 'predicted',
  predictedDense: 'predicted dense',
  measured: 'measured',
  measuredDense: 'measured dense',
};

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

/** Per-block times as small bars over an axis: predicted hatched, measured solid, dense times as marks. */
export class BlockChart {
  readonly node = element('div', { class: 'fovea-block-chart' });

  show(profiles: ChartProfiles): void {
    const bars = chartBars(profiles);
    const most = Math.max(...bars.flatMap(({ ms }) => Object.values(ms).map((value) => value ?? 0)), 0);
    if (most === 0) {
      this.node.replaceChildren();
      return;
    }
    const ticks = axisTicks(most);
    const up = (ms: number) => HEIGHT - 2 - (ms / most) * (HEIGHT - 12);
    this.node.replaceChildren(
      element('div', { class: 'fovea-chart-unit' }, 'ms per block'),
      element(
        'div',
        { class: 'fovea-chart-area' },
        axis(ticks, up),
        svg(
          'svg',
          {
            width: '100%',
            height: HEIGHT,
            role: 'img',
            'aria-label': `Milliseconds per block, ${bars.length} blocks, the longest ${milliseconds(most)}.`,
          },
          svg('defs', {}, hatch()),
          ...ticks.map((ms) =>
            svg('line', { class: 'fovea-chart-grid', x1: 0, x2: '100%', y1: up(ms), y2: up(ms) }),
          ),
          ...bars.flatMap((bar, index) => marks(bar, index, 100 / bars.length, up)),
        ),
        element('span', { class: 'fovea-chart-caption' }, 'stage'),
        stages(bars),
      ),
      legend(profiles),
    );
  }
}

function axis(ticks: readonly number[], up: (ms: number) => number): HTMLElement {
  const labels = ticks.map((ms) => {
    const label = element('span', {}, significant(ms));
    label.style.top = `${up(ms)}px`;
    return label;
  });
  // The widest label sets the width; those on the axis are placed and take none.
  const widest = ticks.map(significant).sort((a, b) => b.length - a.length)[0]!;
  return element(
    'div',
    { class: 'fovea-chart-axis', 'aria-hidden': 'true' },
    element('span', { class: 'fovea-chart-room' }, widest),
    ...labels,
  );
}

function stages(bars: readonly Bar[]): HTMLElement {
  const row = element('div', { class: 'fovea-chart-stages', 'aria-hidden': 'true' });
  for (const stage of new Set(bars.map((bar) => bar.stage))) {
    const cell = element('span', {}, String(stage + 1));
    cell.style.flexGrow = String(bars.filter((bar) => bar.stage === stage).length);
    row.append(cell);
  }
  return row;
}

function hatch(): SVGElement {
  return svg(
    'pattern',
    { id: 'fovea-live-hatch', width: 4, height: 4, patternUnits: 'userSpaceOnUse' },
    svg('path', { d: 'M-1 5L5 -1M3 5L5 3M-1 1L1 -1', class: 'fovea-hatch-line' }),
  );
}

/** Bars and marks of one block, and a title for the pointer over all of them. */
function marks({ name, ms }: Bar, index: number, slot: number, up: (ms: number) => number): SVGElement[] {
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
  const says = KINDS.flatMap((kind) =>
    ms[kind] === undefined ? [] : [`${LABELS[kind]} ${milliseconds(ms[kind])}`],
  );
  const area = svg('rect', {
    x: `${index * slot}%`,
    y: 0,
    width: `${slot}%`,
    height: HEIGHT,
    fill: 'transparent',
  });
  area.append(svg('title', {}, [name, ...says].join('\n')));
  return [
    ...column(ms.predicted, 0.13, 'fovea-predicted-bar'),
    ...column(ms.measured, 0.53, 'fovea-measured-bar'),
    ...mark(ms.predictedDense, 0.13),
    ...mark(ms.measuredDense, 0.53),
    area,
  ];
}

function legend({ predicted, measured, predictedDense, measuredDense }: ChartProfiles): HTMLElement {
  const key = (shown: unknown, name: string, label: string) =>
    shown === undefined ? [] : [element('span', { class: `fovea-key-${name}` }, label)];
  return element(
    'div',
    { class: 'fovea-chart-legend', 'aria-hidden': 'true' },
    ...key(predicted, 'predicted', 'predicted'),
    ...key(measured, 'measured', 'measured'),
    ...key(predictedDense ?? measuredDense, 'dense', 'the same, dense'),
  );
}
