import { counted, formatPercent, saysOrigin } from '@fovea/kernel/presentation';
import { ORIGINS } from '../documents/latency';
import type { LatencyView } from '../documents/types';
import { agreement, milliseconds, significant } from '../format';

/** Short name for a tab. */
export const TAB_LABELS: Readonly<Record<LatencyView['kind'], string>> = {
  compare: 'Blocks',
  breakdown: 'Breakdown',
  ratio: 'Ratio',
  fusion: 'Fusion',
  strategies: 'Strategies',
  pareto: 'Pareto',
};

const joined = (parts: readonly string[]) => parts.join(' · ');

/** One line that says what a view shows, for the caption and for a screen reader. */
export function viewSentence(view: LatencyView): string {
  switch (view.kind) {
    case 'compare': {
      const totals = view.profiles.map(
        ({ label, origin, totalMs }) =>
          `${label} ${milliseconds(totalMs)}${saysOrigin(label, origin) ? '' : ` (${origin})`}`,
      );
      const measured = view.profiles.find((profile) => profile.origin === 'measured');
      const predicted = view.profiles.find((profile) => profile.origin === 'predicted');
      if (view.profiles.length === 2 && measured && predicted) {
        totals.push(agreement(predicted.totalMs, measured.totalMs));
      }
      return joined(totals.filter(Boolean));
    }
    case 'breakdown': {
      const { profile } = view;
      const part = (key: 'computeMs' | 'dataMs' | 'overheadMs') =>
        profile.ops.reduce((sum, op) => sum + op[key], 0);
      const sum = part('computeMs') + part('dataMs') + part('overheadMs');
      const share = (ms: number) => formatPercent(sum > 0 ? ms / sum : 0);
      return joined([
        `${profile.label}${saysOrigin(profile.label, profile.origin) ? '' : `, ${profile.origin}`}: ${milliseconds(profile.totalMs)}`,
        `compute ${share(part('computeMs'))}`,
        `data movement ${share(part('dataMs'))}`,
        `overhead ${share(part('overheadMs'))}`,
      ]);
    }
    case 'ratio': {
      const ranges = ORIGINS.flatMap((origin) => {
        const rates = view.series.flatMap((each) =>
          each.origin === origin && each.breakEven !== undefined ? [each.breakEven] : [],
        );
        if (rates.length === 0) return [];
        const [least, most] = [formatPercent(Math.min(...rates)), formatPercent(Math.max(...rates))];
        return [`${least === most ? least : `${least} to ${most}`} (${origin})`];
      });
      return ranges.length === 0
        ? 'No break-even in the range examined'
        : `Faster than dense below an activation rate of ${joined(ranges)}`;
    }
    case 'fusion':
    case 'strategies': {
      const best = [...view.bars].sort((a, b) => a.totalMs - b.totalMs)[0];
      if (!best) return 'No times.';
      const against =
        view.baselineMs === undefined || best.totalMs === 0
          ? ''
          : `, ${significant(view.baselineMs / best.totalMs)}× the speed of dense`;
      return `Fastest: ${best.label}, ${milliseconds(best.totalMs)}${against} (${best.origin})`;
    }
    case 'pareto': {
      const front = view.points.filter((point) => point.onFront).length;
      return `${front} of ${counted(view.points.length, 'design')} on the front`;
    }
  }
}
