import type { LatencyProfile, LatencyView } from '../../documents/types';
import { withOrigin } from '../../format';
import { barMarker, type Figure, type FigureSpace, layout, plain, seriesColor } from './figure';

type CompareView = Extract<LatencyView, { kind: 'compare' }>;

/** Time of the ops outside blocks: stem, head, and whatever stands between. */
export function outsideMs(profile: LatencyProfile): number {
  return profile.ops.filter((op) => op.block < 0).reduce((sum, op) => sum + op.totalMs, 0);
}

/** Per-block times of several profiles side by side, gathered by stage. */
export function compareFigure(view: CompareView, space: FigureSpace): Figure {
  const outside = view.profiles.some((profile) => outsideMs(profile) > 0);
  const data = view.profiles.map((profile, index) => {
    const stages = profile.blocks.map((block) => `Stage ${block.stage + 1}`);
    const names = profile.blocks.map((block) => plain(block.name));
    const times = profile.blocks.map((block) => block.totalMs);
    const facts = profile.blocks.map(
      (block) => `S ${block.granularity}, ${(block.rate * 100).toFixed(0)}% active`,
    );
    if (outside) {
      stages.push('Other');
      names.push('stem, head');
      times.push(outsideMs(profile));
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
