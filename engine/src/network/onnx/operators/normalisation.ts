import { mapNormalisationProblem } from '../../normalisation.js';
import type { NormalisationDraft, NormaliseMapDraft } from '../draft.js';
import { floatOf, type GraphNode, intOf } from '../graph.js';
import { layerNormalisation } from '../normalisations.js';
import type { Handler, Outcome, Scope, Value } from '../scope.js';

/** What is normalised, and by what. */
interface Normalised {
  readonly input: string;
  readonly value: Value;
  readonly epsilon: number;
  /** Whether the mean is taken away. */
  readonly centred: boolean;
  /** Inputs of the operator that are scale and shift of channels. */
  readonly parameters: readonly number[];
}

/** The draft of a normalisation; undefined where its scale or shift is no constant, or of other channels. */
export function normalisationOf(
  node: GraphNode,
  scope: Scope,
  { input, value, epsilon, centred, parameters }: Normalised,
): NormalisationDraft | undefined {
  const given = parameters.map((index) => scope.hasInput(node, index) && scope.floats(node, index));
  if (given.includes(undefined)) return undefined;
  const [scale, shift] = given as (Float32Array | false | undefined)[];
  const channels = value.channels ?? (scale ? scale.length : undefined);
  if (channels === undefined) return undefined;
  if ([scale, shift].some((values) => values && values.length !== channels)) return undefined;
  scope.spend(2 * channels);
  const weight = scale ? scope.resolve(node.inputs[parameters[0]!]!) : undefined;
  return {
    kind: 'normalisation',
    ...scope.base(node, [input], weight),
    normalisation: {
      scale: scale || new Float32Array(channels).fill(1),
      shift: shift || new Float32Array(channels),
      epsilon,
      ...(centred ? {} : { centred }),
    },
  };
}

/** Of vectors; maps have it between transposes. */
export const vectorNormalisation: Handler = (node, scope) => {
  const value = scope.value(node, 0);
  const found = layerNormalisation(node);
  if (value?.rank !== 2 || !found || (found.axis !== -1 && found.axis !== 1)) return undefined;
  const [input] = scope.inputs(node, 0);
  const { epsilon, centred } = found;
  const draft = normalisationOf(node, scope, { input: input!, value, epsilon, centred, parameters: [1, 2] });
  return draft && { draft, value };
};

/** What a map is normalised by, and which. */
interface NormalisedMap extends Pick<NormaliseMapDraft, 'by' | 'groups' | 'epsilon'> {
  readonly input: string;
  readonly value: Value;
}

/** The draft of a map's normalisation; undefined where its channels do not fit. */
export function normalisedMap(
  node: GraphNode,
  scope: Scope,
  { input, value, ...how }: NormalisedMap,
  from: Partial<Pick<NormaliseMapDraft, 'origins' | 'outputs'>> = {},
): { readonly draft: NormaliseMapDraft; readonly value: Value } | undefined {
  const { channels } = value;
  if (channels === undefined || value.channelsLast || mapNormalisationProblem(how, channels))
    return undefined;
  return { draft: { kind: 'normalise-map', ...scope.base(node, [input]), ...how, ...from }, value };
}

/** Each channel, or each group of them, over the pixels of a map, then scaled and shifted. */
function scaledMoments(node: GraphNode, scope: Scope, groups: number | undefined): Outcome {
  const value = scope.value(node, 0);
  const { channels } = value ?? {};
  const given = [scope.floats(node, 1), scope.floats(node, 2)];
  const [input] = scope.inputs(node, 0);
  if (value?.rank !== 4 || channels === undefined || groups === undefined) return undefined;
  // Before operator set 21 a group normalisation had scales and shifts of groups.
  const [scale, shift] = given.map((values) =>
    values?.length === groups
      ? Float32Array.from({ length: channels }, (_, c) => values[Math.floor((c * groups) / channels)]!)
      : values,
  );
  if (scale?.length !== channels || shift?.length !== channels) return undefined;
  scope.spend(4 * channels);
  const normalised = `${node.outputs[0]}/normalised`;
  const how = {
    input: input!,
    value,
    by: 'moments',
    groups,
    epsilon: floatOf(node, 'epsilon', 1e-5),
  } as const;
  const made = normalisedMap(node, scope, how, { outputs: [normalised] });
  return (
    made && {
      first: made.draft,
      draft: { kind: 'affine', ...scope.base(node, [normalised]), scale, shift },
      value,
    }
  );
}

export const instanceNormalisation: Handler = (node, scope) =>
  scaledMoments(node, scope, scope.value(node, 0)?.channels);

export const groupNormalisation: Handler = (node, scope) =>
  scaledMoments(node, scope, intOf(node, 'num_groups', 0));
