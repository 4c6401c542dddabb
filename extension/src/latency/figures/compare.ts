import { formatPercent } from '@fovea/kernel/presentation';
import type { LatencyView } from '../../documents/types';
import { withOrigin } from '../../format';
import { OUTSIDE, outsideBlocks } from '../outside';
import { barMarker, type Figure, type FigureSpace, layout, plain, seriesColor } from './figure';

type CompareView = Extract<LatencyView, { kind: 'compare' }>;

/** Per-block times of several profiles side by side, gathered by stage. */
export function compareFigure(view: CompareView, space: FigureSpace): Figure {
  const outside = view.profiles.some((profile) => outsideBlocks(profile));
  const data = view.profiles.map((profile, index) => {
    const stages = profile.blocks.map((block) => `Stage ${block.stage + 1}`);
    const names = profile.blocks.map((block) => plain(block.name));
    const times = profile.blocks.map((block) => block.totalMs);
    const facts = profile.blocks.map(
      (block) => `S ${block.granularity}, ${formatPercent(block.rate)} active`,
    );
    if (outside) {
      stages.push('Other');
      names.push(OUTSIDE);
      times.push(outsideBlocks(profile)?.totalMs ?? 0);
      facts.push('outside blocks');
    }
    return {
      type: 'bar',
      name: withOrigin(plain(profile.label), profile.origin),
      x: [stages, names],
      y: times,
      customdata: facts,
      marker: barMarker(seriesColor(space.theme, index), profile.origin),
      hovertemplate: `%{x}<br>%{customdata}<br><b>%{y:.3~g} ms</b><extra>${plain(profile.label)}<br>${profile.origin}</extra>`,
    };
  });
  const many =
    Math.max(...view.profiles.map((profile) => profile.blocks.length)) > (space.width < 480 ? 8 : 24);
  return {
    data,
    layout: layout(space, {
      height: space.width < 480 ? 320 : 380,
      barmode: 'group',
      bargap: 0.3,
      bargroupgap: 0.08,
      x: {
        title: many ? 'Blocks in order' : '',
        showgrid: false,
        showticklabels: !many,
        dividercolor: space.theme.line,
        tickangle: -90,
      },
      y: { title: 'Milliseconds', rangemode: 'tozero' },
    }),
  };
}
