import { formatMs } from '../format-number.js';
import type { LatencyBar, LatencyOp, LatencyProfile, Origin } from '../mime.js';
import { commonOrigin, originSuffix } from '../origin.js';
import {
  axisRoom,
  card,
  horizontalAxis,
  type LegendEntry,
  padding,
  pageWidth,
  verticalAxis,
} from './frame.js';
import { linearScale } from './scale.js';
import { colours, fillFor, fillPatterns, parts, seriesColour } from './style.js';
import { type Drawing, element } from './svg.js';
import { fitName, fitNames, text, textWidth } from './text.js';

/** Most rows that one drawing lists; the smallest are summed up in a last row. */
const mostRows = 48;

interface Row {
  readonly label: string;
  readonly origin: Origin;
  readonly totalMs: number;
  /** Lengths and colours from the left. */
  readonly segments: readonly { readonly ms: number; readonly colour: string }[];
}

/** Horizontal bars one below the other, each with its time at its end. */
function rowsDrawing(
  title: string,
  rows: readonly Row[],
  legend: readonly LegendEntry[],
  baselineMs?: number,
): Drawing {
  const labels = fitNames(
    rows.map((row) => row.label),
    220,
    11,
  );
  const left = padding + Math.max(40, ...labels.map((label) => textWidth(label, 11))) + 8;
  const right = pageWidth - padding - 62;
  const pitch = rows.length > 24 ? 17 : 22;
  const height = rows.length * pitch + 40;
  const used = [
    ...rows.flatMap((row) => row.segments.map((segment) => segment.colour)),
    ...legend.map((l) => l.colour),
  ];
  return card({ title, legend, height }, (top) => {
    const area = { left, right, top: top + 4, bottom: top + 4 + rows.length * pitch };
    const longest = Math.max(0, baselineMs ?? 0, ...rows.map((row) => row.totalMs));
    const scale = linearScale([0, longest], [left, right]);
    const bars = rows.map((row, index) => {
      const y = area.top + index * pitch + 3;
      let x = scale(0);
      const segments = row.segments.map(({ ms, colour }) => {
        const width = scale(Math.max(0, ms)) - scale(0);
        const bar = element('rect', {
          x,
          y,
          width,
          height: pitch - 6,
          fill: fillFor(row.origin, colour),
          stroke: colour,
          'stroke-width': 0.75,
        });
        x += width;
        return width > 0 ? bar : '';
      });
      return [
        ...segments,
        text(left - 8, y + pitch / 2 + 1, labels[index]!, { size: 11, anchor: 'end' }),
        text(x + 5, y + pitch / 2 + 1, formatMs(row.totalMs), { size: 11, fill: colours.faint, halo: true }),
      ].join('');
    });
    const baseline =
      baselineMs === undefined
        ? ''
        : element('line', {
            x1: scale(baselineMs),
            x2: scale(baselineMs),
            y1: area.top - 3,
            y2: area.bottom,
            stroke: colours.accent,
            'stroke-width': 1.5,
            'stroke-dasharray': '5 3',
          });
    const common = commonOrigin(rows.map((row) => row.origin));
    const unit = common === undefined ? 'milliseconds' : `milliseconds, ${common}`;
    return fillPatterns(used) + horizontalAxis(area, scale, unit) + baseline + bars.join('');
  });
}

/** Stacked compute, data movement and overhead per pass of one profile. */
export function drawBreakdown(title: string, profile: LatencyProfile): Drawing {
  const rows = mergeSmallest(profile.ops, mostRows).map((op) => ({
    label: op.name,
    origin: profile.origin,
    totalMs: op.totalMs,
    segments: parts.map((part) => ({ ms: op[part.key], colour: part.colour })),
  }));
  return rowsDrawing(
    title,
    rows,
    parts.map(({ label, colour }) => ({ label, colour, origin: profile.origin })),
  );
}

/** Whole times as bars, split where the split is known, against a dense baseline. */
export function drawBars(title: string, bars: readonly LatencyBar[], baselineMs?: number): Drawing {
  const split = bars.some((bar) => bar.computeMs !== undefined);
  const rows = bars.map((bar): Row => {
    const known = bar.computeMs !== undefined;
    return {
      label: bar.label,
      origin: bar.origin,
      totalMs: bar.totalMs,
      segments: known
        ? parts.map((part) => ({ ms: bar[part.key] ?? 0, colour: part.colour }))
        : [{ ms: bar.totalMs, colour: split ? colours.notSplit : colours.compute }],
    };
  });
  const legend: LegendEntry[] = split
    ? parts.map(({ label, colour }) => ({ label, colour, origin: 'measured' }))
    : [];
  if (split && bars.some((bar) => bar.computeMs === undefined)) {
    legend.push({ label: 'not split', colour: colours.notSplit, origin: 'measured' });
  }
  const origins = bars.map((bar) => bar.origin);
  if (commonOrigin(origins) === undefined) {
    for (const origin of new Set(origins)) legend.push({ label: origin, colour: colours.text, origin });
  }
  if (baselineMs !== undefined) {
    legend.push({
      label: `dense ${formatMs(baselineMs)}`,
      colour: colours.accent,
      origin: 'predicted',
      mark: 'line',
    });
  }
  return rowsDrawing(title, rows, legend, baselineMs);
}

/** Least distance between names that slant by 45 degrees, pixels. */
const leastNamePitch = 15;

/** Per-block times of several profiles side by side. */
export function drawCompare(title: string, profiles: readonly LatencyProfile[]): Drawing {
  const blocks = profiles.reduce<LatencyProfile['blocks']>(
    (longest, profile) => (profile.blocks.length > longest.length ? profile.blocks : longest),
    [],
  );
  const legend = profiles.map((profile, index) => ({
    label: `${profile.label}: ${formatMs(profile.totalMs)}${originSuffix(profile.label, profile.origin)}`,
    colour: seriesColour(index),
    origin: profile.origin,
  }));
  const plotHeight = 210;
  const names = fitNames(
    blocks.map((block) => block.name),
    90,
    10,
  );
  const slant = Math.max(0, ...names.map((name) => textWidth(name, 10)));
  return card({ title, legend, height: plotHeight + 26 + slant * 0.72 }, (top) => {
    const height = { top: top + 22, bottom: top + 22 + plotHeight - 8 };
    const highest = Math.max(
      0,
      ...profiles.flatMap((profile) => profile.blocks.map((block) => block.totalMs)),
    );
    const scale = linearScale([0, highest], [height.bottom, height.top]);
    const area = { ...height, left: padding + axisRoom(scale, 40), right: pageWidth - padding };
    const pitch = (area.right - area.left) / Math.max(1, blocks.length);
    // Names that are closer than their letters are high would lie over each other.
    const named = Math.ceil(leastNamePitch / pitch);
    const thickness = Math.min(26, (pitch * 0.8) / Math.max(1, profiles.length));
    const marks = blocks.map((block, index) => {
      const centre = area.left + (index + 0.5) * pitch;
      const bars = profiles.map((profile, series) => {
        const timing = profile.blocks.find((candidate) => candidate.block === block.block);
        if (timing === undefined) return '';
        const x = centre + (series - profiles.length / 2) * thickness;
        return element('rect', {
          x,
          y: scale(timing.totalMs),
          width: Math.max(1, thickness - 1),
          height: Math.max(0, scale(0) - scale(timing.totalMs)),
          fill: fillFor(profile.origin, seriesColour(series)),
          stroke: seriesColour(series),
          'stroke-width': 0.75,
        });
      });
      if (index % named > 0) return bars.join('');
      // The first names slant towards the border.
      const name = fitName(names[index]!, (centre - padding / 2) * Math.SQRT2, 10);
      const label = text(centre + 3, area.bottom + 12, name, {
        size: 10,
        anchor: 'end',
        fill: colours.faint,
        rotate: -45,
      });
      return bars.join('') + label;
    });
    const used = profiles.map((_, index) => seriesColour(index));
    return fillPatterns(used) + verticalAxis(area, scale, 'ms per block') + marks.join('');
  });
}

/** The ops in order, with the shortest ones summed into a last entry when there are more than `limit`. */
function mergeSmallest(ops: readonly LatencyOp[], limit: number): readonly LatencyOp[] {
  if (ops.length <= limit) return ops;
  const kept = new Set([...ops].sort((a, b) => b.totalMs - a.totalMs).slice(0, limit - 1));
  const rest = ops.filter((op) => !kept.has(op));
  const sum = (key: 'totalMs' | 'computeMs' | 'dataMs' | 'overheadMs') =>
    rest.reduce((total, op) => total + op[key], 0);
  return [
    ...ops.filter((op) => kept.has(op)),
    {
      name: `${rest.length} shorter passes`,
      block: -1,
      primitives: [],
      totalMs: sum('totalMs'),
      computeMs: sum('computeMs'),
      dataMs: sum('dataMs'),
      overheadMs: sum('overheadMs'),
    },
  ];
}
