import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blocksOf, FoveaError, loadNetwork, Random, run, Tensor } from '@fovea/engine';
import { openDense } from '@fovea/engine/onnx';
import { float32Of, readSafetensors, writeSafetensors } from '@fovea/engine/train';
import { afterAll, describe, expect, it } from 'vitest';
import { readPyTorch } from '../../../../engine/src/network/checkpoint/pytorch/read.js';
import { findStateDict } from '../../../../engine/src/network/checkpoint/pytorch/state-dict.js';
import { networkFromStateDict } from '../../../../engine/src/network/checkpoint/state-dict.js';
import { paddedFor } from '../../../../engine/src/network/padded.js';
import { opcodes, torchZip } from '../../support/pickle.js';
import { randomImages, relativeError } from '../../support/small-network.js';

const fixture = (name: string) => new URL(`../../../fixtures/checkpoints/${name}`, import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'fovea-pytorch-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A file of the test's own. */
function file(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

/** Checkpoints that PyTorch 2.15 wrote, and what PyTorch made of an input with the same weights. */
describe('a PyTorch checkpoint', () => {
  it.each([
    [
      'resnet-legacy.pth',
      'legacy format, state_dict and module. prefix',
      ['layer1.0', 'layer2.0', 'layer2.1', 'layer3.0'],
    ],
    [
      'resnet-d.pth',
      'timm names: deep stem, average pool before the projection, excitation at the end',
      undefined,
    ],
    ['half-channels-last.pth', 'protocol 4, half precision, channels last, parameters', undefined],
    ['lasnet-regnet.pth.tar', "LASNet's maskers and settings", undefined],
    ['laudnet-resnet.pth.tar', "LAUDNet's maskers that skip whole blocks", undefined],
    ['efficientnet-lite.pth', "EfficientNet-Lite by the package's names, padded by size", undefined],
    ['efficientnet-package.pth', 'EfficientNet V1 by the same names, not square', undefined],
    ['efficientnet-timm.pth', "EfficientNet V1 by timm's names", undefined],
    ['tf_efficientnet-v2.pth', "EfficientNetV2 by timm's names, from TensorFlow", undefined],
    ['efficientnet-torchvision.pth', "EfficientNet V1 by torchvision's names", undefined],
  ])('%s agrees with PyTorch: %s', async (name, _, names) => {
    const network = await loadNetwork(fixture(name));
    if (names) expect(blocksOf(network).map((block) => block.name)).toEqual(names);
    const expected = await readSafetensors(fixture(name.replace(/\.pth(\.tar)?$/, '.safetensors')));
    const dims = expected.tensors.get('input')!.shape as [number, number, number, number];
    const input = Tensor.fromNCHW(dims, float32Of(expected, 'input'));
    const masked = expected.tensors.has('mask.0');
    for (const backend of ['reference', 'native', 'onnx'] as const) {
      const result = await run(network, input, { backend, strategy: masked ? 'unfused' : 'dense' });
      expect(relativeError(result.output.data, float32Of(expected, 'expected')), backend).toBeLessThan(1e-4);
      if (!masked) continue;
      const cells = result.masks.map((mask) => [...mask.cells]);
      expect(cells).toEqual(cells.map((_, i) => [...expected.tensors.get(`mask.${i}`)!.bytes]));
      expect(new Set(cells.flat())).toEqual(new Set([0, 1]));
    }
  });

  it("has its maskers' granularity and its size from the training script's settings", async () => {
    const cells = await loadNetwork(fixture('lasnet-regnet.pth.tar'));
    expect(cells.inputShape).toEqual({ channels: 3, height: 48, width: 48 });
    expect(blocksOf(cells).map(({ granularity }) => granularity)).toEqual([4, 2, 2]);
    const whole = await loadNetwork(fixture('laudnet-resnet.pth.tar'));
    expect(blocksOf(whole).every(({ granularity }) => granularity! > 56)).toBe(true);
    const given = await loadNetwork(fixture('lasnet-regnet.pth.tar'), { config: { granularity: [2, 1] } });
    expect(blocksOf(given).map(({ granularity }) => granularity)).toEqual([2, 1, 1]);
  });

  it('of an EfficientNet has adaptive blocks where the shape stays, and says how images are normalised', async () => {
    const lite = await loadNetwork(fixture('efficientnet-lite.pth'));
    expect(
      blocksOf(lite)
        .map(({ stage, adaptive }) => `${stage}${adaptive ? '+' : ''}`)
        .join(' '),
    ).toBe('0 1 2 3 3+ 4 4+ 5 5+ 6');
    expect(lite.preprocessing).toEqual({
      mean: [127 / 255, 127 / 255, 127 / 255],
      deviation: [128 / 255, 128 / 255, 128 / 255],
    });
    expect(blocksOf(lite)[0]!.branch[0]!.activation).toBe('relu6');
    const timm = await loadNetwork(fixture('efficientnet-timm.pth'));
    expect(timm.preprocessing).toBeUndefined();
    expect(timm.notes).toEqual([expect.stringMatching(/say "arch": "tf_efficientnet"/)]);
    const own = { size: 64, mean: [0, 0, 0], std: [1, 1, 1] } as const;
    const given = await loadNetwork(fixture('efficientnet-lite.pth'), { config: own });
    expect(given.preprocessing).toEqual({ mean: own.mean, deviation: own.std });
    expect(blocksOf(given)[1]!.branch[1]!.samePadding).toBe('upper');
    const converted = { config: { arch: 'tf_efficientnet_b0', size: 64 } };
    const tf = await loadNetwork(fixture('efficientnet-timm.pth'), converted);
    expect(tf.notes).toEqual([]);
    expect(blocksOf(tf)[1]!.branch[1]!.samePadding).toBe('upper');
    const paddings = (side: number) => paddedFor(tf, { height: side, width: side });
    expect(blocksOf(paddings(64))[1]!.branch[1]!.padding).toEqual([0, 0, 1, 1]);
    expect(blocksOf(paddings(66))[1]!.branch[1]!.padding).toEqual([1, 1, 1, 1]);
  });

  it('of a network with the names of an EfficientNet and other kernels is refused', async () => {
    const { file: whole } = findStateDict(
      readPyTorch(readFileSync(fixture('efficientnet-timm.pth')), 'other.pth'),
    );
    const tensors = new Map(whole.tensors);
    tensors.delete('blocks.3.0.se.conv_reduce.weight');
    expect(() => networkFromStateDict({ ...whole, tensors }, {}, 'other')).toThrow(
      /strides and activations are not known; export this network to ONNX/,
    );
    const cut = new Map([...whole.tensors].filter(([name]) => !name.startsWith('blocks.2.0.')));
    expect(() => networkFromStateDict({ ...whole, tensors: cut }, {}, 'other')).toThrow(
      /a block is missing before 2.1/,
    );
  });

  it.each(['ECA', 'CBAM'])('reads %s by timm’s names', async (kind) => {
    const { file: stateDict } = findStateDict(readPyTorch(readFileSync(fixture('resnet-d.pth')), 'resnet-d'));
    const random = new Random(2);
    const arrays = Object.fromEntries(
      [...stateDict.tensors]
        .filter(([name]) => !name.includes('.se.'))
        .map(([name, { shape }]) => [name, { shape, values: float32Of(stateDict, name) }]),
    );
    const add = (name: string, ...shape: number[]) => {
      const length = shape.reduce((product, extent) => product * extent, 1);
      const values = Float32Array.from({ length }, () => Math.abs(random.normal()) * 0.3);
      arrays[name] = { shape, values };
    };
    const first = blocksOf(await loadNetwork(fixture('resnet-d.pth')));
    for (const { name, branch } of first) {
      const C = branch.at(-1)!.outChannels;
      if (kind === 'ECA') add(`${name}.se.conv.weight`, 1, 1, 3);
      else {
        add(`${name}.se.channel.fc1.weight`, 2, C, 1, 1);
        add(`${name}.se.channel.fc2.weight`, C, 2, 1, 1);
        add(`${name}.se.spatial.conv.conv.weight`, 1, 2, 7, 7);
        for (const field of ['weight', 'bias', 'running_mean', 'running_var'])
          add(`${name}.se.spatial.conv.bn.${field}`, 1);
      }
    }
    const network = await loadNetwork(file(`${kind}.safetensors`, writeSafetensors(arrays, {})));
    expect(blocksOf(network).every(({ attention }) => attention?.pools.includes('mean'))).toBe(true);
    const images = randomImages({ ...network, inputShape: { channels: 3, height: 64, width: 72 } }, 1);
    const { output } = await run(network, images, { backend: 'reference', strategy: 'dense' });
    const written = await openDense(network, { batch: 1, height: 64, width: 72 });
    expect(relativeError((await written.run(images)).output.data, output.data)).toBeLessThan(1e-4);
    await written.dispose();
    add(`${first[0]!.name}.se.conv.weight`, 1, 1, 4);
    await expect(loadNetwork(file('even.safetensors', writeSafetensors(arrays, {})))).rejects.toThrow(
      /1 x 1 x 4; 1 x 1 x an odd number/,
    );
  });

  it('pools odd maps before a projection as PyTorch does, a rest being a window too', async () => {
    const network = await loadNetwork(fixture('resnet-d.pth'));
    const images = randomImages({ ...network, inputShape: { channels: 3, height: 72, width: 81 } }, 1);
    const { output } = await run(network, images, { backend: 'reference', strategy: 'dense' });
    const written = await openDense(network, { batch: 1, height: 72, width: 81 });
    expect(written.source).toBe('written');
    expect(relativeError((await written.run(images)).output.data, output.data)).toBeLessThan(1e-4);
    await written.dispose();
  });

  it('says at which sizes a shortcut that leaves the rest out fits', async () => {
    const network = await loadNetwork(fixture('resnet-d.pth'));
    const nodes = network.nodes.map((node) =>
      node.kind === 'block' && node.block.projectionPool
        ? { ...node, block: { ...node.block, projectionPool: { size: [2, 2], ceilMode: false } as const } }
        : node,
    );
    const input = Tensor.zeros([1, 72, 72, 3]);
    await expect(run({ ...network, nodes }, input, { backend: 'reference' })).rejects.toThrow(
      /"layer\d.0" of 9 x 9 .* its branch gives 5 x 5, its shortcut 4 x 4/,
    );
  });
});

describe('the reader of pickles', () => {
  it.each([
    ['os.system', 'cos\nsystem\n(Vtouch TARGET\ntR'],
    ['posix.system', 'cposix\nsystem\n(Vtouch TARGET\ntR'],
    ['builtins.eval', 'cbuiltins\neval\n(Vopen("TARGET", "w")\ntR'],
    ['builtins.getattr', 'cbuiltins\ngetattr\n(ctorch\nSize\nV__class__\ntR'],
    ['torch.load', 'ctorch\nload\n(VTARGET\ntR'],
    ['torch.__class__', 'ctorch\n__class__\n)R'],
    ['collections.OrderedDict.__init__', 'ccollections\nOrderedDict.__init__\n)R'],
    ['subprocess.Popen', '(isubprocess\nPopen\n'],
    ['webbrowser.open', 'Vwebbrowser\nVopen\n\x93(Vhttp://localhost\ntR'],
    ['torchvision.models.resnet.ResNet', 'ctorchvision.models.resnet\nResNet\n)\x81}b'],
  ])('refuses %s by name, and runs nothing', async (name, pickle) => {
    const target = join(folder, 'touched');
    const path = file('evil.pth', torchZip(pickle.replaceAll('TARGET', target)));
    const error: unknown = await loadNetwork(path).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(`asks for ${name},`),
    });
    expect(existsSync(target)).toBe(false);
  });

  const grid = { storage: '0', shape: [2, 2], strides: [2, 1] };
  const values = { 0: Float32Array.of(1, 2, 3, 4, 5, 6) };
  const dict = (tensor: object) => opcodes(new Map([['a.weight', tensor]]));
  const found = (bytes: Uint8Array) => findStateDict(readPyTorch(bytes, 'x.pth')).file;

  it('reads views of storages in any order of axes', () => {
    const read = (tensor: object) => [...float32Of(found(torchZip(dict(tensor), values)), 'a.weight')];
    expect(read(grid)).toEqual([1, 2, 3, 4]);
    expect(read({ ...grid, offset: 2 })).toEqual([3, 4, 5, 6]);
    expect(read({ ...grid, strides: [1, 2] })).toEqual([1, 3, 2, 4]);
    expect(read({ ...grid, strides: [0, 1] })).toEqual([1, 2, 1, 2]);
    expect(read({ ...grid, shape: [2 ** 40, 0] })).toEqual([]);
  });

  it('finds weights however deep they are, and prefers the usual names', () => {
    const named = (value: number) => new Map([['a.weight', { ...grid, offset: value }]]);
    const nested = new Map<string, unknown>([
      ['model_ema', named(2)],
      ['optimizer', new Map([['state', new Map([[0, grid]])]])],
      ['trainer', new Map([['state_dict', named(1)]])],
    ]);
    const { file: weights, notes } = findStateDict(readPyTorch(torchZip(opcodes(nested), values), 'x.pth'));
    expect(float32Of(weights, 'a.weight')[0]).toBe(3);
    expect(notes).toEqual(['the weights are those of "model_ema"; there are also trainer.state_dict']);
  });

  it.each<[string, Uint8Array, RegExp]>([
    [
      'a tensor outside its storage',
      torchZip(dict({ ...grid, offset: 3 }), values),
      /reaches to value 6 of 6/,
    ],
    [
      'a tensor that repeats its values',
      torchZip(dict({ storage: '0', shape: [99, 1], strides: [0, 1] }), values),
      /\[99, 1\] reaches/,
    ],
    [
      'a shape that overflows',
      torchZip(dict({ ...grid, shape: [2 ** 40, 2 ** 40] }), values),
      /more than 4 times/,
    ],
    [
      'a storage that is not there',
      torchZip(dict({ ...grid, storage: '7' }), values),
      /values of "a.weight" are not in the file/,
    ],
    [
      'no tensors',
      torchZip(opcodes(new Map([['epoch', 3]]))),
      /holds no dict of named tensors \(it holds epoch\)/,
    ],
    ['an unknown opcode', torchZip('\xff'), /opcode 0xff/],
    ['an empty stack', torchZip('R'), /more values are used than there are/],
    ['items without a mark', torchZip('t'), /items without a mark/],
    ['a memo that was not written', torchZip('h\x07'), /memo 7 is read/],
    ['a giant integer', torchZip(`L${'9'.repeat(100)}L\n`), /the integer 9{40}/],
    ['a text beyond the end', torchZip('X\xff\xff\xff\x7f'), /it is cut off/],
    ['too many steps', torchZip('N'.repeat(1_000_001)), /takes more than 1000000 steps/],
    ['a call of data', torchZip('I1\n)R'), /something is called that cannot be/],
    ['compressed parts', torchZip(dict(grid), values, {}, 9), /is compressed, which torch.save does not do/],
    [
      'a TorchScript program',
      torchZip(dict(grid), values, { 'archive/constants.pkl': Uint8Array.of(0) }),
      /TorchScript/,
    ],
    [
      'big-endian values',
      torchZip(dict(grid), values, { 'archive/byteorder': new TextEncoder().encode('big') }),
      /big-endian/,
    ],
    ['a pickle without tensors', Uint8Array.from([0x80, 2, 0x4e, 0x2e]), /torch.save did not write/],
    [
      'a zip of other things',
      torchZip('N').map((byte) => (byte === 0x70 ? 0x71 : byte)),
      /holds no data.pkl/,
    ],
  ])('refuses %s', (_, bytes, message) => {
    let error: unknown;
    try {
      found(bytes);
    } catch (reason) {
      error = reason;
    }
    expect(error).toBeInstanceOf(FoveaError);
    expect((error as FoveaError).message).toMatch(message);
  });

  it('believes no number of a zip archive that it can check', () => {
    const whole = new Uint8Array(readFileSync(fixture('lasnet-regnet.pth.tar')));
    const changed = (signature: number, offset: number, size: 2 | 4 | 8, value: number) => {
      const bytes = whole.slice();
      const view = new DataView(bytes.buffer);
      let at = bytes.length - 4;
      while (view.getUint32(at, true) !== signature) at--;
      if (size === 2) view.setUint16(at + offset, value, true);
      else if (size === 4) view.setUint32(at + offset, value, true);
      else view.setBigUint64(at + offset, BigInt(value), true);
      return () => readPyTorch(bytes, 'x.pth');
    };
    // The directory's records say it in 64 bits as well, once the end record sends the reader there.
    const [end, entry] = [0x06054b50, 0x02014b50];
    expect(changed(end, 10, 2, 0xfffe)).toThrow(/damaged zip archive: it claims 65534 parts/);
    expect(changed(end, 16, 4, 7)).toThrow(/damaged zip archive: no record of its own at byte 7/);
    expect(changed(end, 0, 4, 0)).toThrow(/damaged zip archive: it has no end record/);
    expect(changed(entry, 24, 4, 0xffffffff)).toThrow(/damaged zip archive: a size of 64 bits is missing/);
    expect(changed(entry, 30, 2, 0xffff)).toThrow(/damaged zip archive: its directory is cut off/);
  });

  it.each(['resnet-legacy.pth', 'lasnet-regnet.pth.tar'])(
    'reads or refuses %s wherever it is cut or changed',
    async (name) => {
      const whole = new Uint8Array(readFileSync(fixture(name)));
      const random = new Random(3);
      for (let round = 0; round < 150; round++) {
        const bytes = round % 3 === 0 ? whole.slice(0, random.below(whole.length)) : whole.slice();
        // The pickle is at the start of the file.
        for (let change = 0; change < 4; change++) {
          if (bytes.length > 0) bytes[random.below(Math.min(bytes.length, 4000))] = random.below(256);
        }
        try {
          found(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FoveaError);
        }
      }
    },
  );
});
