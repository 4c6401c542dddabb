import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blocksOf, loadNetwork } from '@fovea/engine';
import { float32Of, parseSafetensors, readSafetensors, writeSafetensors } from '@fovea/engine/train';
import { afterAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'fovea-state-dict-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of the test's own. */
function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

describe('a state dict', () => {
  const arrays = async () => {
    const stored = await readSafetensors(
      new URL('../../../fixtures/lasnet-tiny.safetensors', import.meta.url).pathname,
    );
    return Object.fromEntries(
      [...stored.tensors].map(([name, { shape }]) => [name, { shape, values: float32Of(stored, name) }]),
    );
  };

  it('may be cut into several files with an index', async () => {
    const all = Object.entries(await arrays());
    const parts = [all.slice(0, 40), all.slice(40)].map((part) => writeSafetensors(Object.fromEntries(part)));
    for (const [i, part] of parts.entries()) file(`part-${i}.safetensors`, part);
    const index = (name: (i: number) => string) =>
      JSON.stringify({ weight_map: Object.fromEntries(all.map(([array], i) => [array, name(i)])) });
    const path = file(
      'model.safetensors.index.json',
      index((i) => `part-${i < 40 ? 0 : 1}.safetensors`),
    );
    expect(blocksOf(await loadNetwork(path))).toHaveLength(6);
    file(
      'model.safetensors.index.json',
      index(() => '../secret.safetensors'),
    );
    await expect(loadNetwork(path)).rejects.toThrow(
      /lies in "..\/secret.safetensors"; a .safetensors file beside/,
    );
    file(
      'model.safetensors.index.json',
      index(() => 'part-0.safetensors'),
    );
    await expect(loadNetwork(path)).rejects.toThrow(/part-0.safetensors holds no array/);
  });

  it('may be that of a backbone, its classifier beside it', async () => {
    const renamed = Object.entries(await arrays()).map(([name, array]) => [
      name.startsWith('fc.') ? `model.head.${name}` : `model.backbone.${name}`,
      array,
    ]);
    const path = file('backbone.safetensors', writeSafetensors(Object.fromEntries(renamed)));
    const network = await loadNetwork(path);
    expect(network.nodes.at(-1)).toMatchObject({ name: 'fc', output: 'logits' });
  });

  it('gives features where it has no classifier', async () => {
    const { 'fc.weight': _, 'fc.bias': __, ...rest } = await arrays();
    const network = await loadNetwork(file('headless.safetensors', writeSafetensors(rest)));
    expect(network.output).toBe('avgpool');
    expect(network.notes).toContain(
      'there is no classifier (fc, head.fc): the output is the pooled features',
    );
  });

  it('is refused when it has a layer that would not be computed', async () => {
    const more = {
      ...(await arrays()),
      'layer1.0.gate.conv.weight': { shape: [1, 1, 3], values: new Float32Array(3) },
    };
    await expect(loadNetwork(file('more.safetensors', writeSafetensors(more)))).rejects.toThrow(
      /holds "layer1.0.gate.conv.weight", which the forms of ResNet that are read do not have/,
    );
  });

  it('is refused when it masks channels', async () => {
    const more = {
      ...(await arrays()),
      'layer1.0.masker_channel.conv.weight': { shape: [2, 16], values: new Float32Array(32) },
    };
    await expect(loadNetwork(file('channel.safetensors', writeSafetensors(more)))).rejects.toThrow(
      /masks channels/,
    );
  });

  it('with a 3x3 stem is a network for small images, unless its configuration says otherwise', async () => {
    const { 'conv1.weight': stem, ...rest } = await arrays();
    const [outChannels] = stem!.shape as [number];
    const small = { shape: [outChannels, 3, 3, 3], values: new Float32Array(outChannels * 27) };
    const path = file('small.safetensors', writeSafetensors({ ...rest, 'conv1.weight': small }));
    const network = await loadNetwork(path);
    expect(network.nodes.map(({ kind }) => kind).slice(0, 2)).toEqual(['convolution', 'block']);
    expect(network.notes[0]).toMatch(/its 3x3 stem is read as that of networks for small images/);
    const large = await loadNetwork(path, { config: { stem: 'imagenet' } });
    expect(large.nodes.map(({ kind }) => kind).slice(0, 2)).toEqual(['convolution', 'max-pool']);
    expect(parseSafetensors(readFileSync(path), path).tensors.has('fc.weight')).toBe(true);
  });
});
