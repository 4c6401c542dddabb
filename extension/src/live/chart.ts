import type { LatencyProfile } from '../documents/types';
import { element, svg } from '../dom';
import { milliseconds } from '../format';

const HEIGHT = 72;

/** One block of the chart: times where they are known. */
interface Bar {
  readonly name: string;
  readonly denseMs: number | undefined;
  readonly predictedMs: number | undefined;
  readonly measuredMs: number | undefined;
}

/** The blocks of up to three profiles of one network, matched by index. */
export function chartBars(
  dense: LatencyProfile | undefined,
  predicted: LatencyProfile | undefined,
  measured: LatencyProfile | undefined,
): Bar[] {
  const times = (profile: LatencyProfile | undefined) =>
    new Map(profile?.blocks.map((block) => [block.block, block.totalMs]));
  const [d, p, m] = [times(dense), times(predicted), times(measured)];
  return (
    (predicted ?? measured ?? dense)?.blocks.map(({ block, name }) => ({
      name,
      denseMs: d.get(block),
      predictedMs: p.get(block),
      measuredMs: m.get(block),
    })) ?? []
  );
}

/** Per-block times as small bars: predicted hatched, measured solid, the dense time as a mark above. */
export class BlockChart {
  readonly node = element('div', { class: 'fovea-block-chart' });

  show(
    dense: LatencyProfile | undefined,
    predicted: LatencyProfile | undefined,
    measured: LatencyProfile | undefined,
  ): void {
    const bars = chartBars(dense, predicted, measured);
    if (bars.length === 0) {
      this.node.replaceChildren();
      return;
    }
    const most = Math.max(
      ...bars.flatMap(({ denseMs = 0, predictedMs = 0, measuredMs = 0 }) => [
        denseMs,
        predictedMs,
        measuredMs,
      ]),
      1e-9,
    );
    const slot = 100 / bars.length;
    const up = (ms: number) => HEIGHT - 2 - (ms / most) * (HEIGHT - 6);
    const marks = bars.flatMap((bar, index) => {
      const left = index * slot;
      const column = (ms: number | undefined, offset: number, className: string) =>
        ms === undefined
          ? []
          : [
              svg('rect', {
                class: className,
                x: `${left + slot * offset}%`,
                y: up(ms),
                width: `${slot * 0.34}%`,
                height: Math.max(0.5, HEIGHT - 2 - up(ms)),
              }),
            ];
      const line =
        bar.denseMs === undefined
          ? []
          : [
              svg('line', {
                class: 'fovea-dense-mark',
                x1: `${left + slot * 0.06}%`,
                x2: `${left + slot * 0.94}%`,
                y1: up(bar.denseMs),
                y2: up(bar.denseMs),
              }),
            ];
      const says = [
        bar.name,
        bar.predictedMs === undefined ? '' : `predicted ${milliseconds(bar.predictedMs)}`,
        bar.measuredMs === undefined ? '' : `measured ${milliseconds(bar.measuredMs)}`,
        bar.denseMs === undefined ? '' : `dense ${milliseconds(bar.denseMs)}`,
      ];
      const area = svg('rect', {
        x: `${left}%`,
        y: 0,
        width: `${slot}%`,
        height: HEIGHT,
        fill: 'transparent',
      });
      area.append(svg('title', {}, says.filter(Boolean).join('\n')));
      return [
        ...column(bar.predictedMs, 0.13, 'fovea-predicted-bar'),
        ...column(bar.measuredMs, 0.53, 'fovea-measured-bar'),
        ...line,
        area,
      ];
    });
    const hatch = svg(
      'pattern',
      { id: 'fovea-live-hatch', width: 4, height: 4, patternUnits: 'userSpaceOnUse' },
      svg('path', { d: 'M-1 5L5 -1M3 5L5 3M-1 1L1 -1', class: 'fovea-hatch-line' }),
    );
    this.node.replaceChildren(
      svg(
        'svg',
        {
          width: '100%',
          height: HEIGHT,
          role: 'img',
          'aria-label': `Time per block, ${bars.length} blocks, the longest ${milliseconds(most)}.`,
        },
        svg('defs', {}, hatch),
        ...marks,
      ),
      element(
        'div',
        { class: 'fovea-chart-legend', 'aria-hidden': 'true' },
        element('span', { class: 'fovea-key-predicted' }, 'predicted'),
        element('span', { class: 'fovea-key-measured' }, 'measured'),
        element('span', { class: 'fovea-key-dense' }, 'dense, per block'),
      ),
    );
  }
}
