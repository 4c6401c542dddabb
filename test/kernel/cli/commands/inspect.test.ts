// @module-tag process
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePng, type NetworkDescription } from '@fovea/engine';
import { toOnnx, toOnnxWithExternalData } from '@fovea/engine/onnx';
import { float32Of, readSafetensors } from '@fovea/engine/train';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallNetwork } from '../../../engine/support/small-network.js';
import { fixture, fovea } from '../run-fovea.js';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fovea-inspect-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function described(...options: string[]): Promise<NetworkDescription> {
  const { code, stdout, stderr } = await fovea('inspect', ...options, '--json');
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as NetworkDescription;
}

describe('fovea inspect', () => {
  it('shows blocks, shapes, granularities and what masks can save', async () => {
    const { code, stdout } = await fovea('inspect', fixture('lasnet-tiny.safetensors'));
    expect(code).toBe(0);
    expect(stdout).toMatch(/lasnet-tiny \(lasnet\), input 3 x 64 x 64/);
    expect(stdout).toMatch(/FLOPs an image \(multiply-adds x 2\)/);
    expect(stdout).toMatch(/6 blocks, 6 of them adaptive/);
    expect(stdout).toMatch(/^M +layer2\.0 +bottleneck +2 +2 +128 x 8 x 8 .* 3x3 32→32 \/2 · .*projection$/m);
  });

  it('counts FLOPs and parameters as published for ResNet-50', async () => {
    const { flops, parameters, adaptiveBlocks } = await described('resnet50');
    expect(flops / 2e9).toBeCloseTo(4.09, 2);
    // 25.56 M less the two batch norm parameters a channel that folding turns into one bias.
    expect(parameters / 1e6).toBeCloseTo(25.53, 2);
    expect(adaptiveBlocks).toBe(16);
  });

  it('prints the program that a strategy makes of a model, one operation a line', async () => {
    const { code, stdout } = await fovea(
      'inspect',
      fixture('lasnet-tiny.safetensors'),
      '--program',
      'unfused',
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+: %\d+ \[.*\] = scatter %\d+ {2}; layer1\.0 pass \d+$/m);
    expect(stdout).not.toContain('stream');
    const streamed = await fovea('inspect', fixture('lasnet-tiny.safetensors'), '--program');
    expect(streamed.stdout).toContain('stream {');
    const unknown = await fovea('inspect', fixture('lasnet-tiny.safetensors'), '--program', 'slow');
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringMatching(/unknown strategy "slow"/)]);
  });

  it('reads a PyTorch checkpoint, and names what runs in onnxruntime', async () => {
    const { adaptiveBlocks, input } = await described(fixture('checkpoints/lasnet-regnet.pth.tar'));
    expect([adaptiveBlocks, input.height]).toEqual([3, 48]);
    const { stdout } = await fovea('inspect', fixture('networks/mid_Einsum.onnx'));
    expect(stdout).toMatch(/note: 1 piece\(s\) of the graph run in onnxruntime, in NCHW: Einsum/);
  });

  it('names the outputs when it is asked for another one', async () => {
    const model = fixture('networks/c2_sum_residual.onnx');
    expect((await described(model, '--output-name', 't15')).adaptiveBlocks).toBe(2);
    const { code, stderr } = await fovea('inspect', model, '--output-name', 'boxes');
    expect([code, stderr]).toEqual([1, expect.stringMatching(/has no output "boxes"; it has t15\n$/)]);
  });

  it('takes another input size, height first', async () => {
    const { input, nodes } = await described('resnet18', '--input-size', '160x96');
    expect(input).toEqual({ channels: 3, height: 160, width: 96 });
    expect(nodes[0]!.shape).toEqual([80, 48, 64]);
  });

  it('distinguishes adaptive blocks from those without a shortcut', async () => {
    await writeFile(join(folder, 'small.onnx'), toOnnx(smallNetwork({ kind: 'inverted' })));
    const { nodes, format } = await described(join(folder, 'small.onnx'));
    expect(format).toBe('onnx');
    expect(nodes.flatMap(({ block }) => (block ? [block.adaptive] : []))).toEqual([true, true, false, true]);
  });

  it('reads a model whose weights lie beside it', async () => {
    const { model, external } = toOnnxWithExternalData(smallNetwork(), 'outside.onnx.data');
    await writeFile(join(folder, 'outside.onnx'), model);
    await writeFile(join(folder, 'outside.onnx.data'), external!);
    expect((await described(join(folder, 'outside.onnx'))).blocks).toBe(4);
  });

  it.each([
    [['nothing.onnx'], /nothing\.onnx: there is no such file/],
    [['resnet50', '--input-size', '0'], /--input-size 0: a side/],
    [['resnet50', '--input-size', '8x-8'], /--input-size 8x-8/],
    [[fixture('lasnet-tiny.json')], /lasnet-tiny\.json is not a readable ONNX file/],
    [[fixture('lasnet-tiny.safetensors'), '--config', 'none.json'], /none\.json: there is no such file/],
    [[fixture('lasnet-tiny.safetensors'), '--config', fixture('lasnet-uneven.json')], /blocks per stage/],
    [['/'], /not an ordinary file/],
    [['no-such-net'], /"no-such-net" is neither a file/],
  ])('refuses %j in one line, with exit code 1', async (options, message) => {
    const { code, stdout, stderr } = await fovea('inspect', ...options);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(message);
    expect(stderr.trim().split('\n').length).toBe(1);
  });
});

describe('images as input', () => {
  it('are scaled, cropped and normalised', async () => {
    const data = Uint8Array.from({ length: 90 * 60 * 3 }, (_, i) => (i * 7) % 256);
    const [image, out] = [join(folder, 'image.png'), join(folder, 'out.safetensors')];
    await writeFile(image, await encodePng({ width: 90, height: 60, channels: 3, data }));
    const { code } = await fovea(
      'infer',
      fixture('lasnet-tiny.safetensors'),
      '--input',
      image,
      '--output',
      out,
    );
    expect(code).toBe(0);
    expect(float32Of(await readSafetensors(out), 'logits', [1, 10]).every(Number.isFinite)).toBe(true);
  });

  it('are refused by name when they are cut off', async () => {
    const png = await encodePng({ width: 90, height: 60, channels: 3, data: new Uint8Array(90 * 60 * 3) });
    await writeFile(join(folder, 'cut.png'), png.subarray(0, png.length - 30));
    const { code, stderr } = await fovea(
      'infer',
      fixture('lasnet-tiny.safetensors'),
      '--input',
      join(folder, 'cut.png'),
    );
    expect(code).toBe(1);
    expect(stderr).toMatch(/cut\.png is not a readable image/);
  });
});
