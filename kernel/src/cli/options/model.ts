import { existsSync } from 'node:fs';
import {
  builtNetwork,
  builtNetworkNames,
  FoveaError,
  loadNetwork,
  loadShippedModel,
  type Network,
  shippedModelNames,
} from '@fovea/engine';
import { didYouMean } from '@fovea/engine/files';
import { dataFolder, learnShapes } from '@fovea/engine/internal';
import { findKept, namesKept } from '../../sweep/kept-networks.js';

/** Short names that the published tables use. */
const aliases: Readonly<Record<string, string>> = {
  regnety400: 'regnet_y_400mf',
  regnety800: 'regnet_y_800mf',
};

/** What `openModel` accepts, for help texts. */
export const MODEL_HELP = `ONNX file, checkpoint (.safetensors, .pth), a shipped network (${shippedModelNames.join(', ')}), a built-in architecture (${builtNetworkNames.join(', ')}), or sha256:… of a network that a sweep has kept`;

/** The option that names an output, for commands that take it. */
export const OUTPUT_NAME = [
  '--output-name <name>',
  'the output to compute, where the model has several (default: the first)',
] as const;

/**
 * A network from a file, or a known architecture with seeded random weights when no file has that name.
 * @param needs the input size to find shapes for, if it is not the nominal one, and the output to compute, if it is not
 *   the first
 * @throws FoveaError `io` or `bad-file` for files; `unknown-name` listing the architectures otherwise
 */
export async function openModel(
  model: string,
  config?: string,
  needs: {
    readonly height?: number | undefined;
    readonly width?: number | undefined;
    readonly output?: string | undefined;
  } = {},
): Promise<Network> {
  if (namesKept(model)) return openModel(findKept(dataFolder(), model).path, config, needs);
  if (!existsSync(model) && shippedModelNames.includes(model)) return loadShippedModel(model);
  const built = Object.hasOwn(aliases, model) ? aliases[model]! : model;
  if (!existsSync(model) && builtNetworkNames.includes(built)) return builtNetwork(built);
  const known = [...shippedModelNames, ...builtNetworkNames];
  const isName = !/[./\\]/.test(model) || (!/[/\\]/.test(model) && didYouMean(model, known) !== '');
  if (!existsSync(model) && isName) {
    throw new FoveaError(
      'unknown-name',
      `"${model}" is neither a file, a shipped network (${shippedModelNames.join(', ')}) nor a built-in architecture; built in are ${builtNetworkNames.join(', ')}${didYouMean(model, known)}`,
    );
  }
  const network = await loadNetwork(model, {
    ...(config === undefined ? {} : { config }),
    ...(needs.output === undefined ? {} : { output: needs.output }),
  });
  const { height = network.inputShape.height, width = network.inputShape.width } = needs;
  await learnShapes(network, { height, width });
  return network;
}
