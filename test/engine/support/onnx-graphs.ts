import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadNetwork, type Network, run, type Tensor } from '@fovea/engine';
import { openDense } from '@fovea/engine/onnx';
import { afterAll, expect } from 'vitest';
import { GraphBuilder } from '../../../engine/src/network/onnx/builder.js';
import { loadRuntime } from '../../../engine/src/onnxruntime.js';
import { randomImages, relativeError } from './small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-graphs-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The reference's dense output. */
export async function densely(network: Network, images: Tensor): Promise<Tensor> {
  return (await run(network, images, { backend: 'reference', strategy: 'dense' })).output;
}

/**
 * A graph of a 3-channel image; `build` adds operators and returns the output's name.
 * @param sides of the image; names leave them open
 */
export function model(
  build: (graph: GraphBuilder, x: string) => string,
  opset = 17,
  sides: readonly [number | string, number | string] = [8, 8],
): Uint8Array {
  const graph = new GraphBuilder({}, opset);
  const x = graph.input('x', ['batch', 3, ...sides]);
  const name = build(graph, x);
  return graph.finish('test', [{ name }]).model;
}

/** Sides that a file leaves open. */
export const open = ['height', 'width'] as const;

export const weights = (length: number, seed: number) =>
  Float32Array.from({ length }, (_, i) => Math.sin(seed + i * 1.7));

export function conv(
  graph: GraphBuilder,
  x: string,
  inChannels: number,
  outChannels: number,
  kernel = 3,
  name = graph.fresh('c'),
) {
  const weight = graph.floats(
    `${name}.weight`,
    [outChannels, inChannels, kernel, kernel],
    weights(outChannels * inChannels * kernel ** 2, inChannels),
  );
  return graph.node('Conv', [x, weight], {
    kernel_shape: [kernel, kernel],
    pads: new Array(4).fill(kernel >> 1),
  });
}

export const floats = (g: GraphBuilder, ...dims: number[]) =>
  g.floats(
    g.fresh('w'),
    dims,
    weights(
      dims.reduce((product, extent) => product * extent, 1),
      dims.length,
    ),
  );

/** Both the engine's reading of a graph and onnxruntime's own reading of the file. */
export async function agrees(bytes: Uint8Array, name: string): Promise<Network> {
  const path = join(folder, `${name}.onnx`);
  writeFileSync(path, bytes);
  const network = await loadNetwork(path);
  await agreesAt(network, 8, 8);
  return network;
}

/** A network from a file at one size of input: onnxruntime's own reading, the engine's, and what the engine writes. */
export async function agreesAt(network: Network, height: number, width: number): Promise<void> {
  const sized = { ...network, inputShape: { ...network.inputShape, height, width } };
  const images = randomImages(sized, 2);
  const own = await openDense(network, { batch: 2, height, width });
  expect(own.source).toBe('file');
  const expected = (await own.run(images)).output;
  await own.dispose();
  expect(relativeError((await densely(network, images)).data, expected.data)).toBeLessThan(1e-4);
  const sparse = await run(network, images, { backend: 'onnx', masker: 'random', rate: 1 });
  expect(relativeError(sparse.output.data, expected.data)).toBeLessThan(1e-4);
  const { onnxPath: _, ...bare } = network;
  const written = await openDense(bare, { batch: 2, height, width });
  expect(relativeError((await written.run(images)).output.data, expected.data)).toBeLessThan(1e-4);
  await written.dispose();
}

/** What onnxruntime makes of a model's output by name. */
export async function original(
  model: string | Uint8Array,
  input: string,
  data: Float32Array,
  dims: readonly number[],
  output: string,
): Promise<number[]> {
  const { InferenceSession, Tensor: OrtTensor } = await loadRuntime();
  const session = await InferenceSession.create(model as string, { logSeverityLevel: 4 });
  const outputs = await session.run({
    [input]: new OrtTensor('float32', Float32Array.from(data), [...dims]),
  });
  await session.release();
  return Array.from(outputs[output]!.data as ArrayLike<number | bigint>, Number);
}
