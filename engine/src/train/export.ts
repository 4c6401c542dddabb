import { expectArgument, expectFields } from '../arguments/expect.js';
import { anObject, aText, type Kind, listOf } from '../arguments/kinds.js';
import { type CheckpointConfig, configKey } from '../network/checkpoint/config.js';
import { parseSafetensors, writeSafetensors } from '../network/checkpoint/safetensors.js';
import { networkFromStateDict } from '../network/checkpoint/state-dict.js';
import type { Network } from '../network/network.js';
import { checkModelPath } from '../network/stored/save.js';
import { replaceFile } from '../replace-file.js';
import { Parameters } from './parameters.js';

/** What `saveModel` writes beside the weights. */
export interface ModelDescription {
  readonly name: string;
  readonly labels: readonly string[];
  /** Anything worth keeping with the model: its recipe, how it did. Readers ignore what they do not know. */
  readonly notes?: Readonly<Record<string, unknown>>;
}

function configOf(
  { layout }: Parameters,
  { name, labels }: ModelDescription,
): CheckpointConfig & { arch: string } {
  const { layers, size, granularity } = layout.architecture;
  return { arch: 'lasnet-resnet', name, layers, size, granularity, labels };
}

const trainedParameters: Kind = {
  accepted: 'the parameters that train returns',
  holds: (value) => value instanceof Parameters,
};
const descriptionKinds = { name: aText, labels: listOf(aText, 'texts'), notes: anObject };

/**
 * The network with these `parameters`, batch norm folded, ready to run, plan and predict.
 * @throws FoveaError `bad-file` when there are not as many labels as classes
 */
export function trainedNetwork(parameters: Parameters, description: ModelDescription): Network {
  expectArgument(parameters, trainedParameters, 'trainedNetwork: parameters');
  expectFields(description, descriptionKinds, 'trainedNetwork: description');
  expectArgument(description.name, aText, 'trainedNetwork: name');
  expectArgument(description.labels, descriptionKinds.labels, 'trainedNetwork: labels');
  const file = parseSafetensors(writeSafetensors(parameters.stateDict()), description.name);
  return networkFromStateDict(file, configOf(parameters, description), description.name);
}

/**
 * Writes the weights (PyTorch's names and order) with their configuration as one file, which `loadNetwork` and every
 * command take.
 * @param path ends in `.safetensors`
 * @throws FoveaError `bad-argument` for another ending, `io`; an older file is then kept
 */
export async function saveModel(
  path: string,
  parameters: Parameters,
  description: ModelDescription,
): Promise<void> {
  checkModelPath(path);
  trainedNetwork(parameters, description);
  const config = { ...configOf(parameters, description), ...description.notes };
  const metadata = { [configKey]: JSON.stringify(config) };
  await replaceFile(path, writeSafetensors(parameters.stateDict(), metadata));
}
