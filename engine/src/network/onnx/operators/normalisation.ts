import type { NormalisationDraft } from '../draft.js';
import type { GraphNode } from '../graph.js';
import { layerNormalisation } from '../normalisations.js';
import type { Handler, Scope, Value } from '../scope.js';

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
