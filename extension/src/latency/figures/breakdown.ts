import type { LatencyView } from '../../documents/types';
import {
  barMarker,
  type Figure,
  type FigureSpace,
  layout,
  PARTS,
  plain,
  seriesColor,
  shortenedNames,
  timeTitle,
} from './figure';

/** Letters of a name below a stack; longer ones would take the place of the stacks. */
const MOST_LETTERS = 28;

type BreakdownView = Extract<LatencyView, { kind: 'breakdown' }>;

/** Where an op is that belongs to no block. */
const OUTSIDE = 'outside blocks';

/** What a stack shows: one op, or all ops of a block. */
export type Grain = 'op' | 'block';

interface Stack {
  readonly name: string;
  readonly place: string;
  readonly computeMs: number;
  readonly dataMs: number;
  readonly overheadMs: number;
}

/** The stacks of a profile, in the order they run. */
export function stacks({ profile }: BreakdownView, grain: Grain): Stack[] {
  const names = new Map(profile.blocks.map((block) => [block.block, block.name]));
  const place = (block: number) => names.get(block) ?? (block < 0 ? OUTSIDE : `block ${block}`);
  if (grain === 'block')
    return profile.blocks.map((block) => ({ ...block, place: `stage ${block.stage + 1}` }));
  return profile.ops.map((op) => ({ ...op, place: place(op.block) }));
}

/**
 * Every stack's name where there is room; otherwise where each block begins. Of names that would lie over each other the first
 * is shown, and those of blocks before what is outside of them.
 * @param room names that find room side by side
 */
function ticksFor(all: readonly Stack[], room: number): { position: number; text: string }[] {
  const named = all.map((stack, position) => ({ position, text: stack.name }));
  if (named.length <= room) return named;
  const starts = named.filter(({ position }) => all[position]!.place !== all[position - 1]?.place);
  const isOutside = ({ position }: (typeof starts)[number]) => all[position]!.place === OUTSIDE;
  const shown: typeof starts = [];
  for (const start of [...starts.filter((each) => !isOutside(each)), ...starts.filter(isOutside)]) {
    const isFree = shown.every(({ position }) => Math.abs(position - start.position) >= all.length / room);
    if (isFree) shown.push({ ...start, text: all[start.position]!.place });
  }
  return shown.sort((a, b) => a.position - b.position);
}

/** Compute, data movement and overhead of every op (or block) of one profile, stacked. */
export function breakdownFigure(view: BreakdownView, space: FigureSpace, grain: Grain = 'op'): Figure {
  const { profile } = view;
  const all = stacks(view, grain);
  const positions = all.map((_, index) => index);
  const bars = PARTS.map(({ key, label, color }) => ({
    type: 'bar',
    name: label,
    x: positions,
    y: all.map((stack) => stack[key]),
    customdata: all.map((stack) => [plain(stack.name), plain(stack.place)]),
    marker: barMarker(seriesColor(space.theme, color), profile.origin),
    hovertemplate: `%{customdata[0]} · %{customdata[1]}<br>${label} <b>%{y:.3~g} ms</b><extra></extra>`,
  }));
  const ticks = ticksFor(all, Math.max(4, Math.floor(space.width / 24)));
  return {
    data: bars,
    layout: layout(space, {
      height: space.width < 480 ? 340 : 400,
      barmode: 'stack',
      bargap: all.length > 40 ? 0.12 : 0.25,
      x: {
        tickmode: 'array',
        tickvals: ticks.map(({ position }) => position),
        ticktext: shortenedNames(
          ticks.map(({ text }) => text),
          MOST_LETTERS,
        ).map(plain),
        tickangle: -45,
        showgrid: false,
        range: [-0.6, all.length - 0.4],
      },
      y: { title: timeTitle([profile.origin]), rangemode: 'tozero' },
    }),
  };
}
