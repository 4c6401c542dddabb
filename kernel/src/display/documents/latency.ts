import { FoveaError, type Profile } from '@fovea/engine';
import {
  aNumber,
  aProfile,
  aText,
  either,
  expectArgument,
  expectFields,
  expectOptions,
} from '@fovea/engine/files';
import {
  aLabelled,
  bars,
  labelledProfiles,
  ratioSweeps,
  ratios,
  scoredPoints,
  somethingTimed,
} from '../argument-kinds.js';
import type { LatencyBar, LatencyDocument, LatencyProfile, LatencyView, Origin } from '../mime.js';

/** Name and origin of a profile in a figure. */
export interface ProfileLabel {
  readonly label?: string;
  /** Say `published` for figures taken from a paper. Default: the profile's own kind. */
  readonly origin?: Origin;
}

/** A profile as documents hold it. */
export function latencyProfile(profile: Profile, named: ProfileLabel = {}): LatencyProfile {
  expectArgument(profile, aProfile, 'latencyProfile: profile');
  const { label, origin } = expectFields(named, { label: aText, origin: aText }, 'latencyProfile: label');
  return {
    label: label ?? `${profile.strategy} on ${profile.device}`,
    origin: origin ?? profile.kind,
    device: profile.device,
    strategy: profile.strategy,
    batch: profile.batch,
    threads: profile.threads,
    totalMs: profile.totalMs,
    blocks: profile.blocks.map(
      ({ block, name, stage, granularity, rate, totalMs, computeMs, dataMs, overheadMs }) => ({
        block,
        name,
        stage,
        granularity,
        rate,
        totalMs,
        computeMs,
        dataMs,
        overheadMs,
      }),
    ),
    ops: profile.ops.map(({ name, block, primitives, totalMs, computeMs, dataMs, overheadMs }) => ({
      name,
      block,
      primitives: [...primitives],
      totalMs,
      computeMs,
      dataMs,
      overheadMs,
    })),
  };
}

/** A whole profile as one bar, split into compute, data movement and overhead. */
function latencyBar(profile: Profile, { label, origin }: ProfileLabel = {}): LatencyBar {
  const sum = (key: 'computeMs' | 'dataMs' | 'overheadMs') =>
    profile.ops.reduce((total, op) => total + op[key], 0);
  return {
    label: label ?? profile.strategy,
    origin: origin ?? profile.kind,
    totalMs: profile.totalMs,
    computeMs: sum('computeMs'),
    dataMs: sum('dataMs'),
    overheadMs: sum('overheadMs'),
  };
}

/** Something that can be compared: a profile, with or without a label of one's own. */
export type Labelled = Profile | (ProfileLabel & { readonly profile: Profile });

const profileOf = (entry: Labelled): Profile => ('profile' in entry ? entry.profile : entry);
/** The label that an entry comes with, if any. */
const ownLabel = (entry: Labelled): ProfileLabel => ('profile' in entry ? entry : {});

/** Per-block times of several profiles side by side. */
export function compareView(profiles: readonly Labelled[], title?: string): LatencyView {
  expectArgument(profiles, labelledProfiles, 'compareView: profiles');
  return {
    kind: 'compare',
    ...titled(title),
    profiles: profiles.map((entry) => latencyProfile(profileOf(entry), ownLabel(entry))),
  };
}

/** Compute, data movement and overhead of every pass of one profile. */
export function breakdownView(entry: Labelled, title?: string): LatencyView {
  expectArgument(entry, aLabelled, 'breakdownView: entry');
  return { kind: 'breakdown', ...titled(title), profile: latencyProfile(profileOf(entry), ownLabel(entry)) };
}

/** One curve of a ratio view: the same blocks adaptive and dense, at several rates. */
export interface RatioSweep {
  readonly label?: string;
  /** Stage whose blocks are compared. */
  readonly stage: number;
  readonly granularity: number;
  readonly origin?: Origin;
  readonly points: readonly { readonly rate: number; readonly adaptive: Profile; readonly dense: Profile }[];
}

/**
 * Latency of a stage relative to dense against activation rate. The break-even rate is the largest at which
 * adaptive execution takes no longer than dense, interpolated linearly between the points.
 * @throws FoveaError `bad-argument` when a sweep has no points, or a profile no time in the stage
 */
export function ratioView(sweeps: readonly RatioSweep[], title?: string): LatencyView {
  expectArgument(sweeps, ratioSweeps, 'ratioView: sweeps');
  const series = sweeps.map((sweep) => {
    const first = sweep.points[0];
    if (first === undefined) {
      throw new FoveaError(
        'bad-argument',
        `the sweep with stage: ${sweep.stage} has no points; give at least one`,
      );
    }
    const points = sweep.points
      .map(({ rate, adaptive, dense }) => ({
        rate,
        ratio: stageMs(adaptive, sweep.stage) / stageMs(dense, sweep.stage),
      }))
      .sort((a, b) => a.rate - b.rate);
    const breakEven = breakEvenRate(points);
    return {
      label: sweep.label ?? `stage ${sweep.stage + 1}, S=${sweep.granularity}`,
      device: first.adaptive.device,
      stage: sweep.stage,
      granularity: sweep.granularity,
      origin: sweep.origin ?? first.adaptive.kind,
      points,
      ...(breakEven === undefined ? {} : { breakEven }),
    };
  });
  return { kind: 'ratio', ...titled(title), series };
}

/** Time of a stage's blocks in a profile. */
function stageMs(profile: Profile, stage: number): number {
  const total = profile.blocks.reduce((sum, block) => sum + (block.stage === stage ? block.totalMs : 0), 0);
  if (!(total > 0)) {
    throw new FoveaError(
      'bad-argument',
      `the ${profile.kind} profile of ${profile.network} has no time with stage: ${stage}; accepted are ${[
        ...new Set(profile.blocks.map((block) => block.stage)),
      ].join(', ')}`,
    );
  }
  return total;
}

/** Largest rate with ratio at most 1; undefined when even the smallest rate does not pay. */
export function breakEvenRate(
  points: readonly { readonly rate: number; readonly ratio: number }[],
): number | undefined {
  expectArgument(points, ratios, 'breakEvenRate: points');
  for (let i = points.length - 1; i >= 0; i--) {
    const here = points[i]!;
    if (here.ratio > 1) continue;
    const next = points[i + 1];
    if (next === undefined) return here.rate;
    return here.rate + ((1 - here.ratio) / (next.ratio - here.ratio)) * (next.rate - here.rate);
  }
  return undefined;
}

/** Whole times of an ablation of fusion, the dense time drawn as a line. */
export function fusionView(
  entries: readonly (Labelled | LatencyBar)[],
  options: { title?: string | undefined; dense?: Profile | number } = {},
): LatencyView {
  return barsView('fusion', entries, options);
}

/** Whole times of strategies beside each other, the dense time drawn as a line. */
export function strategiesView(
  entries: readonly (Labelled | LatencyBar)[],
  options: { title?: string | undefined; dense?: Profile | number } = {},
): LatencyView {
  return barsView('strategies', entries, options);
}

function barsView(
  kind: 'fusion' | 'strategies',
  entries: readonly (Labelled | LatencyBar)[],
  options: { title?: string | undefined; dense?: Profile | number },
): LatencyView {
  expectArgument(entries, bars, `${kind}View: entries`);
  const { title, dense } = expectOptions(
    options,
    { title: aText, dense: either(aNumber, aProfile) },
    `${kind}View`,
  );
  return {
    kind,
    ...titled(title),
    bars: entries.map((entry) =>
      'ops' in entry || 'profile' in entry ? latencyBar(profileOf(entry), ownLabel(entry)) : entry,
    ),
    ...(dense === undefined ? {} : { baselineMs: typeof dense === 'number' ? dense : dense.totalMs }),
  };
}

/**
 * Quality against latency. A point is on the front when no other one is at least as fast and as good, and
 * better in one of the two.
 */
export function paretoView(
  points: readonly {
    readonly label: string;
    readonly ms: number;
    readonly score: number;
    readonly origin?: Origin;
    readonly msRange?: readonly [least: number, most: number];
    readonly scoreRange?: readonly [least: number, most: number];
  }[],
  options: { yLabel?: string; title?: string } = {},
): LatencyView {
  expectArgument(points, scoredPoints, 'paretoView: points');
  const { yLabel = 'accuracy', title } = expectOptions(
    options,
    { yLabel: aText, title: aText },
    'paretoView',
  );
  return {
    kind: 'pareto',
    ...titled(title),
    yLabel,
    points: points.map(({ label, ms, score, origin = 'predicted', msRange, scoreRange }) => ({
      ...{ label, ms, score, origin },
      ...(msRange ? { msRange } : {}),
      ...(scoreRange ? { scoreRange } : {}),
      onFront: !points.some(
        (other) => other.ms <= ms && other.score >= score && (other.ms < ms || other.score > score),
      ),
    })),
  };
}

/**
 * A latency document. Profiles become views by themselves: one profile its breakdown, several a comparison
 * by block and their whole times beside each other.
 * @throws FoveaError `bad-argument` when nothing was given
 */
export function latencyDocument(
  content: Profile | readonly (Labelled | LatencyView)[],
  options: { title?: string | undefined } = {},
): LatencyDocument {
  expectArgument(content, somethingTimed, 'latencyDocument: content');
  const { title } = expectOptions(options, { title: aText }, 'latencyDocument');
  const given: readonly (Labelled | LatencyView)[] = Array.isArray(content)
    ? (content as readonly (Labelled | LatencyView)[])
    : [content as Profile];
  const views = given.filter(isView);
  const profiles = given.filter((entry): entry is Labelled => !isView(entry));
  if (given.length === 0) throw new FoveaError('bad-argument', 'no profile and no view was given to show');
  const own: LatencyView[] =
    profiles.length === 0
      ? []
      : profiles.length === 1
        ? [breakdownView(profiles[0]!)]
        : [compareView(profiles), strategiesView(profiles.map(asComparedBar), { title: 'Whole network' })];
  return { version: 1, ...titled(title), views: [...own, ...views] };
}

/** In a comparison, the bars of blocks have the label that distinguishes their profile. */
function asComparedBar(entry: Labelled): LatencyBar {
  const { label } = latencyProfile(profileOf(entry), ownLabel(entry));
  return latencyBar(profileOf(entry), { ...ownLabel(entry), label });
}

function isView(entry: Labelled | LatencyView): entry is LatencyView {
  return 'kind' in entry && entry.kind !== 'predicted' && entry.kind !== 'measured';
}

const titled = (title?: string) =>
  title === undefined ? {} : { title: expectArgument(title, aText, 'the title') };
