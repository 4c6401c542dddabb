import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  blocksOf,
  builtNetwork,
  describeNetwork,
  loadNetwork,
  type Network,
  Random,
  run,
} from '@fovea/engine';
import type { Attention, NetworkNode, PixelAttention } from '@fovea/engine/backend';
import { importOnnx, toOnnx } from '@fovea/engine/onnx';
import { parseSafetensors, saveNetwork } from '@fovea/engine/train';
import { afterAll, describe, expect, it } from 'vitest';
import { LONGEST_BRANCH } from '../../../engine/src/network/longest-branch.js';
import { readNetwork } from '../../../engine/src/network/read.js';
import { networkFromStored } from '../../../engine/src/network/stored/read.js';
import { storeNetwork } from '../../../engine/src/network/stored/write.js';
import { weightBytesOf } from '../../../engine/src/network/weight-bytes.js';
import { attending, attentions } from '../support/attending.js';
import { withJoins } from '../support/joined-network.js';
import { withPools } from '../support/pooled-branches.js';
import { randomConvolution, randomImages, smallNetwork } from '../support/small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-stored-'));
afterAll(() => rmSync(folder, { recursive: true }));

const network: Network = {
  ...withJoins(smallNetwork({ excite: true }), 'half-pixel'),
  labels: ['one', 'two'],
  notes: ['a note'],
};

/** The network's file with its description changed. */
function changed(
  change: (description: Record<string, unknown>) => unknown,
  { format }: { readonly format?: string } = {},
): Uint8Array {
  const file = storeNetwork(network);
  const headerBytes = Number(new DataView(file.buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerBytes))) as {
    __metadata__: { network: string; format: string };
  };
  const description = JSON.parse(header.__metadata__.network) as Record<string, unknown>;
  change(description);
  header.__metadata__.network = JSON.stringify(description);
  if (format !== undefined) header.__metadata__.format = format;
  const text = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + text.length + file.length - 8 - headerBytes);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.length), true);
  out.set(text, 8);
  out.set(file.subarray(8 + headerBytes), 8 + text.length);
  return out;
}

type Node = { block?: { branch: { weight: unknown; stride: unknown }[]; activation: string; index: number } };
const nodesOf = (description: Record<string, unknown>) =>
  description.nodes as (Node & { inputs: string[] })[];

describe('a network with its maskers in one file', () => {
  it('is read in the form that it had when squeeze-and-excitation was the only attention', async () => {
    const earlier = changed(
      (description) => {
        for (const { block } of nodesOf(description) as { block?: Record<string, unknown> }[]) {
          const { after, reduce, gate } = (block?.attention ?? {}) as Record<string, unknown>;
          if (!gate) continue;
          block!.squeezeExcitation = { after, reduce, expand: gate };
          delete block!.attention;
        }
      },
      { format: 'fovea network 1' },
    );
    expect(await networkFromStored(parseSafetensors(earlier, 'earlier'))).toEqual(network);
    const forged = changed((description) => Object.assign(description, { nodes: [null, { block: 1 }] }), {
      format: 'fovea network 1',
    });
    await expect(networkFromStored(parseSafetensors(forged, 'forged'))).rejects.toThrow(/forged: /);
  });

  it('is the same network again, maskers, granularity and labels included', async () => {
    const whole = {
      ...network,
      nodes: network.nodes.map((node) =>
        node.kind === 'block' && node.block.index === 1
          ? { ...node, block: { ...node.block, granularity: Number.POSITIVE_INFINITY } }
          : node,
      ),
    };
    const path = join(folder, 'network.safetensors');
    await saveNetwork(path, whole);
    const again = await loadNetwork(path);
    expect(again).toEqual(whole);
    const images = randomImages(network, 2);
    const options = { backend: 'reference', masker: 'learned' } as const;
    expect((await run(again, images, options)).output.data).toEqual(
      (await run(whole, images, options)).output.data,
    );
  });

  it.each([
    ['activation', 'relu'],
    ['padding', [3, 1, 1, 1]],
    ['dilation', [2, 2]],
    ['maximum', false],
  ])('refuses a max-pool in a branch with other %s: %j', async (field, value) => {
    const own = withPools(smallNetwork());
    expect(await readNetwork(storeNetwork(own))).toEqual(own);
    const nodes = own.nodes.map((node) => {
      if (node.kind !== 'block') return node;
      const branch = node.block.branch.map((layer) => (layer.maximum ? { ...layer, [field]: value } : layer));
      return { ...node, block: { ...node.block, branch } };
    });
    await expect(readNetwork(storeNetwork({ ...own, nodes }))).rejects.toThrow(/maximum/);
  });

  it.each([
    ['pools', ['response', 'mean'], /attention\.pools/],
    ['epsilon', 0, /by response/],
    ['epsilon', undefined, /by response/],
    ['reduce', (gate: object) => gate, /by response/],
    ['gate', (gate: object) => ({ ...gate, activation: 'sigmoid' }), /by response/],
  ])('refuses a response normalisation with other %s: %j', async (field, value, message) => {
    const own = smallNetwork({ excite: true, attention: 'response' });
    const stored = (change: (attention: Attention) => object) =>
      readNetwork(
        storeNetwork({
          ...own,
          nodes: own.nodes.map((node) => {
            const attention = node.kind === 'block' ? node.block.attention : undefined;
            if (node.kind !== 'block' || !attention) return node;
            return { ...node, block: { ...node.block, attention: change(attention) as Attention } };
          }),
        }),
      );
    expect(await stored((attention) => attention)).toEqual(own);
    await expect(
      stored((attention) => ({
        ...attention,
        [field]: typeof value === 'function' ? value(attention.gate) : value,
      })),
    ).rejects.toThrow(message);
  });

  it.each(attentions)('keeps attention over pixels: %s', async (_, attention, maps) => {
    const own = attending(attention, maps);
    expect(await readNetwork(storeNetwork(own))).toEqual(own);
  });

  const shifted = attentions.find(([name]) => name.startsWith('softmax in shifted windows'))!;
  it.each<[string, (attention: PixelAttention) => object, RegExp]>([
    [
      'a bias of fewer values',
      ({ bias }) => ({ bias: { ...bias, values: bias!.values.subarray(1) } }),
      /bias of 7202 values, where 7203/,
    ],
    ['a bias of no keys', ({ bias }) => ({ bias: { ...bias, keys: 0 } }), /0 keys; integers from 1/],
    [
      'a bias of linear weights',
      () => ({ by: 'linear', epsilon: 1, windows: undefined }),
      /softmax is accepted/,
    ],
    ['a bias that is none', () => ({ bias: 3 }), /bias/],
    ['windows of half a pixel', ({ windows }) => ({ windows: { ...windows, extent: [0.5, 7] } }), /0\.5/],
    [
      'windows that begin in the next one',
      ({ windows }) => ({ windows: { ...windows, shift: [7, 0] } }),
      /shifted by 7 x 0; less than their extent/,
    ],
    [
      'edges apart that are none',
      ({ windows }) => ({ windows: { ...windows, shift: [0, 0] } }),
      /-100 for pixels apart; 0 is accepted/,
    ],
    ['edges infinitely apart', ({ windows }) => ({ windows: { ...windows, apart: 1e39 } }), /1e\+39/],
    ['windows and patches', () => ({ patch: [7, 7] }), /windows and patches of 7 x 7/],
  ])('refuses attention over pixels with %s', async (_, change, message) => {
    const own = attending(shifted[1], shifted[2]);
    const nodes = own.nodes.map((node) =>
      node.kind === 'pixel-attention'
        ? { ...node, attention: { ...node.attention, ...change(node.attention) } }
        : node,
    );
    await expect(readNetwork(storeNetwork({ ...own, nodes }))).rejects.toThrow(message);
  });

  it('counts a bias of positions among the parameters and the weights, which have to be numbers', async () => {
    const own = attending(shifted[1], shifted[2]);
    const described = describeNetwork(own).nodes.find(({ kind }) => kind === 'pixel-attention');
    expect(described?.parameters).toBe(3 * 49 * 49);
    const others = { ...own, nodes: own.nodes.filter(({ kind }) => kind !== 'pixel-attention') };
    expect(weightBytesOf(own) - weightBytesOf(others)).toBe(4 * 3 * 49 * 49);
    const { bias } = shifted[1];
    const values = bias!.values.slice();
    values[5] = Number.NaN;
    const damaged = attending({ ...shifted[1], bias: { ...bias!, values } }, shifted[2]);
    for (const backend of ['native', 'onnx', 'reference'])
      await expect(run(damaged, randomImages(own, 1), { backend })).rejects.toThrow('attended bias 5 is NaN');
  });

  it('takes another ending and a configuration for a mistake', async () => {
    await expect(saveNetwork(join(folder, 'x.onnx'), network)).rejects.toThrow(/\.safetensors is accepted/);
    const path = join(folder, 'own.safetensors');
    await saveNetwork(path, network);
    await expect(loadNetwork(path, { config: { size: 32 } })).rejects.toThrow(/describes its network itself/);
  });

  const first = (description: Record<string, unknown>) => nodesOf(description)[1]!.block!;
  const joinOf = (description: Record<string, unknown>, kind: string) =>
    nodesOf(description).find((node) => (node as unknown as { kind: string }).kind === kind)!;
  const damages: [string, (description: Record<string, unknown>) => object, RegExp][] = [
    [
      'a weight of another length',
      (d) => Object.assign(first(d).branch[0]!, { inChannels: 3 }),
      /where \d+ values/,
    ],
    ['a stride of 0', (d) => Object.assign(first(d).branch[0]!, { stride: [0, 1] }), /stride 0/],
    ['an activation that nobody knows', (d) => Object.assign(first(d), { activation: 'cubic' }), /"cubic"/],
    ['a block out of order', (d) => Object.assign(first(d), { index: 3 }), /index 3/],
    [
      'a map that grows by a part',
      (d) => Object.assign(joinOf(d, 'resize'), { factor: [2, 1.5] }),
      /factor 1.5/,
    ],
    [
      'an interpolation that nobody knows',
      (d) => Object.assign(joinOf(d, 'resize'), { interpolation: 'cubic' }),
      /interpolation "cubic"/,
    ],
    [
      'a statistic that nobody knows',
      (d) => Object.assign(joinOf(d, 'normalise-map'), { by: 'median' }),
      /by "median"/,
    ],
    [
      'groups of a part of a channel',
      (d) => Object.assign(joinOf(d, 'normalise-map'), { groups: 0.5 }),
      /groups 0.5/,
    ],
    ['an epsilon of zero', (d) => Object.assign(joinOf(d, 'normalise-map'), { epsilon: 0 }), /epsilon 0/],
    ['a slice of no channels', (d) => Object.assign(joinOf(d, 'slice'), { channels: 0 }), /channels 0/],
    [
      'a slice from a channel below the first',
      (d) => Object.assign(joinOf(d, 'slice'), { first: -1 }),
      /first -1/,
    ],
    ['a map beside nothing', (d) => Object.assign(joinOf(d, 'concat'), { inputs: ['larger'] }), /1 inputs/],
    [
      'a value that nothing writes',
      (d) => Object.assign(nodesOf(d)[2]!, { inputs: ['nowhere'] }),
      /"nowhere"/,
    ],
    [
      'a branch without convolutions',
      (d) => Object.assign(first(d), { branch: [] }),
      /a branch of 0 convolutions, where 1 to \d+ belong,/,
    ],
    ['no nodes', (d) => Object.assign(d, { nodes: undefined }), /nodes/],
    [
      'an array twice',
      (d) => Object.assign(first(d).branch[1]!, { weight: first(d).branch[0]!.weight }),
      /named twice/,
    ],
  ];
  it.each(damages)('refuses %s', async (_, damage, message) => {
    const file = parseSafetensors(changed(damage), 'file');
    await expect(networkFromStored(file)).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringMatching(message) as string,
    });
  });

  it('refuses a branch that is too long', async () => {
    const nodes = network.nodes.map((node) => {
      if (node.kind !== 'block') return node;
      const [first] = node.block.branch;
      return {
        ...node,
        block: { ...node.block, branch: Array.from({ length: LONGEST_BRANCH + 1 }, () => first!) },
      };
    });
    const file = parseSafetensors(storeNetwork({ ...network, nodes }), 'file');
    await expect(networkFromStored(file)).rejects.toMatchObject({
      code: 'bad-file',
      message: expect.stringContaining(
        `a branch of ${LONGEST_BRANCH + 1} convolutions, where 1 to ${LONGEST_BRANCH} belong,`,
      ) as string,
    });
  });

  it('never ends otherwise than with a typed error when its description is damaged at random', async () => {
    const random = new Random(3);
    const kinds = [null, -1, 0, 1.5, 1e300, '', 'x', [], {}, { $array: 'x' }, { $number: 'NaN' }, true];
    let refused = 0;
    for (let i = 0; i < 300; i++) {
      const bytes = changed((description) => {
        let at: Record<string, unknown> = description;
        for (;;) {
          const keys = Object.keys(at);
          const key = keys[random.below(keys.length)]!;
          const inner = at[key];
          const deeper = typeof inner === 'object' && inner !== null && Object.keys(inner).length > 0;
          if (deeper && random.next() < 0.85) {
            at = inner as Record<string, unknown>;
            continue;
          }
          at[key] = kinds[random.below(kinds.length)];
          return;
        }
      });
      try {
        await networkFromStored(parseSafetensors(bytes, 'file'));
      } catch (error) {
        expect((error as { code?: string }).code, String(error)).toMatch(/^bad-(file|shape)$/);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(150);
  });

  it('goes into an ONNX file’s metadata when asked for, and is left out with a note where it does not fit', async () => {
    const plain = join(folder, 'plain.onnx');
    writeFileSync(plain, toOnnx(network));
    expect(blocksOf(await loadNetwork(plain)).some(({ masker }) => masker)).toBe(false);
    const path = join(folder, 'maskers.onnx');
    writeFileSync(path, toOnnx(network, { maskers: true }));
    const again = await loadNetwork(path);
    expect(blocksOf(again).map(({ masker, granularity }) => ({ masker, granularity }))).toEqual(
      blocksOf(network).map(({ masker, granularity }) => ({ masker, granularity })),
    );
    const wider = smallNetwork({ channels: 16 });
    const bytes = Buffer.from(toOnnx(wider, { maskers: true }));
    // The same length, so that the file stays whole: another block's number.
    const at = bytes.indexOf('{"block":3');
    bytes.write('{"block":9', at);
    const odd = join(folder, 'odd.onnx');
    writeFileSync(odd, bytes);
    const read = await loadNetwork(odd);
    expect(read.notes.join()).toContain('do not fit its blocks');
    expect(blocksOf(read).some(({ masker }) => masker)).toBe(false);
  });

  it('comes back from ONNX where a reader finds other blocks that cannot skip anything', async () => {
    const written = smallNetwork({ kind: 'inverted' });
    const nodes = written.nodes.map((node): NetworkNode => {
      if (node.kind !== 'block' || node.block.adaptive) return node;
      // A reader that sees no more than operators takes this for two convolutions.
      const branch = node.block.branch.filter(({ groups }) => groups === 1);
      return { ...node, block: { ...node.block, branch } };
    });
    const read = await importOnnx(toOnnx({ ...written, nodes }, { maskers: true }), 'again');
    expect(blocksOf(read).length).toBeLessThan(blocksOf(written).length);
    const maskersOf = (of: Network) =>
      blocksOf(of).flatMap(({ adaptive, masker, granularity }) =>
        adaptive ? [{ masker, granularity }] : [],
      );
    expect(maskersOf(read)).toEqual(maskersOf(written));
  });

  it('does not give maskers to other blocks where an ONNX file’s reader finds one more', async () => {
    // Blocks of one width, so that each masker fits each of them.
    const written = smallNetwork({ strides: [1, 1] });
    const [stem, ...others] = written.nodes;
    const convolution = randomConvolution(new Random(3), 'middle', 12, 12, { kernel: 3 });
    const nodes: NetworkNode[] = [
      stem!,
      { kind: 'convolution', name: 'middle', inputs: ['stem'], output: 'middle', convolution },
      { kind: 'add', name: 'sum', inputs: ['middle', 'stem'], output: 'sum', activation: 'relu' },
      ...others.map((node, i) => (i === 0 ? { ...node, inputs: ['sum'] } : node)),
    ];
    const read = await importOnnx(toOnnx({ ...written, nodes }, { maskers: true }), 'again');
    expect(blocksOf(read)).toHaveLength(blocksOf(written).length + 1);
    expect(read.notes.join()).toContain('do not fit its blocks');
    expect(blocksOf(read).some(({ masker }) => masker)).toBe(false);
  });
});

// What a check says of a value must not be written out while the value is sound: as text, these weights are longer
// than any string may be.
it('a network of 25 million parameters is read', async () => {
  const big = builtNetwork('resnet50');
  const back = await networkFromStored(parseSafetensors(storeNetwork(big), 'big'));
  expect(back.nodes.map(({ name, kind }) => [name, kind])).toEqual(
    big.nodes.map(({ name, kind }) => [name, kind]),
  );
  expect(blocksOf(back)).toHaveLength(16);
});
