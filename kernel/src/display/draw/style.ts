import type { Origin } from '../mime.js';
import { element } from './svg.js';

/** Neutral light style: drawings carry their own background, and so read on dark pages as well. */
export const colours = {
  background: '#ffffff',
  border: '#d8dce2',
  grid: '#e9ecf0',
  axis: '#8a919c',
  text: '#22262d',
  faint: '#626a76',
  compute: '#3a6fb5',
  data: '#e3a23c',
  overhead: '#a0a7b2',
  notSplit: '#3f9b76',
  accent: '#d1495b',
} as const;

/** One colour per series, distinguishable with colour vision deficiencies. */
const seriesColours = [
  '#3a6fb5',
  '#e3a23c',
  '#3f9b76',
  '#d1495b',
  '#7d62b3',
  '#49a6c4',
  '#8c6d4f',
  '#c26fa6',
] as const;

export function seriesColour(index: number): string {
  return seriesColours[index % seriesColours.length]!;
}

/** The parts that a time splits into, in drawing order. */
export const parts = [
  { key: 'computeMs', label: 'compute', colour: colours.compute },
  { key: 'dataMs', label: 'data movement', colour: colours.data },
  { key: 'overheadMs', label: 'overhead', colour: colours.overhead },
] as const;

/** How a mark shows where its figure comes from: solid measured, hatched predicted, dotted published. */
export function fillFor(origin: Origin, colour: string): string {
  return origin === 'measured' ? colour : `url(#${patternId(origin, colour)})`;
}

/** Definitions of the hatchings that `fillFor` refers to, for these colours. */
export function fillPatterns(used: readonly string[]): string {
  const patterns = [...new Set(used)].flatMap((colour) => [
    element(
      'pattern',
      {
        id: patternId('predicted', colour),
        width: 6,
        height: 6,
        patternUnits: 'userSpaceOnUse',
        patternTransform: 'rotate(45)',
      },
      element('rect', { width: 6, height: 6, fill: colour, 'fill-opacity': 0.3 }),
      element('rect', { width: 2.4, height: 6, fill: colour }),
    ),
    element(
      'pattern',
      { id: patternId('published', colour), width: 6, height: 6, patternUnits: 'userSpaceOnUse' },
      element('rect', { width: 6, height: 6, fill: colour, 'fill-opacity': 0.25 }),
      element('circle', { cx: 3, cy: 3, r: 1.5, fill: colour }),
    ),
  ]);
  return element('defs', {}, ...patterns);
}

function patternId(origin: Origin, colour: string): string {
  return `${origin}-${colour.slice(1)}`;
}
