import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePng, FoveaError } from '@fovea/engine';
import { nativeBackend } from '@fovea/engine/backend';
import { readRecipe } from '@fovea/engine/train';
import { readNetwork } from '@fovea/engine/web';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { asFoveaError, inferAddon } from '../../engine/src/backends/native/addon.js';
import { decodeImage } from '../../engine/src/image/decode.js';
import { decodeModel } from '../../engine/src/network/onnx/decode.js';
import { atOtherSize } from '../../engine/src/network/other-size.js';
import { reworded } from '../../engine/src/reworded.js';
import { readState } from '../../engine/src/train/checkpoint.js';
import { TrainProgram } from '../../engine/src/train/train-program.js';
import { expectSaidOnce } from './support/said-once.js';
import { smallNetwork } from './support/small-network.js';

const folder = mkdtempSync(join(tmpdir(), 'fovea-said-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const hasNative = nativeBackend.unavailable === undefined;
const damaged = new Uint8Array(64).fill(255);

describe('an error says nothing twice, in its message and as its cause:', () => {
  it('what the addon rejects with', () => {
    const aborted = Object.assign(new Error('the run was aborted'), { code: 'aborted' });
    const error = asFoveaError(aborted);
    expect(error).toBeInstanceOf(FoveaError);
    expect(error).toMatchObject({ code: 'aborted', message: aborted.message });
    expect(error).not.toHaveProperty('cause');
  });

  it.skipIf(!hasNative)('what the addon throws at a call', async () => {
    const program = () => inferAddon().inferClose({} as never);
    expect(await expectSaidOnce(program, 'bad-argument', /native session/)).not.toHaveProperty('cause');
  });

  it.skipIf(!hasNative)(
    'operations of training that do not go together, and threads out of range',
    async () => {
      const ops = [{ op: 'bias', dims: [1], buffers: [] }];
      await expectSaidOnce(() => new TrainProgram(ops), 'bad-shape', /bias/);
      const none = new TrainProgram([]);
      await expectSaidOnce(() => none.run(0, new Int32Array(1)), 'bad-argument', /threads/);
    },
  );

  it('bytes that hold no network', async () => {
    await expectSaidOnce(() => readNetwork(damaged), 'bad-file', /ONNX.*nor does it begin/);
    // A list of integers, the last of which is cut off.
    const cut = Uint8Array.of(0x3a, 5, 0x2a, 3, 0x0a, 1, 0x80);
    await expectSaidOnce(
      () => decodeModel(cut, 'a.onnx'),
      'bad-file',
      /^a\.onnx is not a readable ONNX file: \S/,
    );
  });

  it('recipes that are no JSON', async () => {
    const path = fileOf('recipe.json', '{"name": }');
    await expectSaidOnce(() => readRecipe(path), 'bad-file', /is not valid JSON: \S/);
  });

  it('states of training that are damaged', async () => {
    const path = fileOf('run.state', 'no state');
    await expectSaidOnce(() => readState(path), 'bad-file', /remove it to start over/);
  });

  it('another size than the one of a file', async () => {
    const network = smallNetwork({ height: 8, mapWidth: 8, strides: [1] });
    const [node] = network.nodes;
    const foreign = { ...network, nodes: [{ ...node, kind: 'foreign' } as never] };
    const error = new FoveaError('bad-shape', '[1, 2] does not fit');
    const size = { height: 4096, width: 4096 };
    const hinted = () => Promise.reject(atOtherSize(foreign, size, error));
    await expectSaidOnce(hinted, 'bad-shape', /^\[1, 2\] does not fit; what runs in onnxruntime/);
    expect(atOtherSize(foreign, size, new FoveaError('io', 'gone'))).toMatchObject({ message: 'gone' });
  });

  it('files that are no images', async () => {
    const text = new TextEncoder().encode('text');
    await expectSaidOnce(() => decodeImage(text, 'a.png'), 'bad-file', /^a\.png is not a readable image: \S/);
    const png = await encodePng({ width: 1, height: 1, channels: 3, data: new Uint8Array(3) });
    new DataView(png.buffer, png.byteOffset).setUint32(16, 0x7fff_ffff);
    await expectSaidOnce(() => decodeImage(png, 'b.png'), 'bad-file', /^b\.png is not a readable image: \S/);
  });

  it('images where none can be read, which is no fault of the file', async () => {
    vi.resetModules();
    vi.doMock('sharp', () => {
      throw new Error('no build of sharp for this machine');
    });
    const { decodeImage: decode } = await import('../../engine/src/image/decode.js');
    await expect(decode(damaged, 'a.png')).rejects.toMatchObject({
      ...{ name: 'FoveaError', code: 'backend-unavailable' },
      message: expect.stringMatching(/^images cannot be read here: /),
    });
    vi.doUnmock('sharp');
  });
});

it('an error in other words stands where it was thrown, and keeps its cause', () => {
  function thrower(): never {
    throw new FoveaError('bad-shape', 'of $& shape', { cause: 7 });
  }
  let again: FoveaError | undefined;
  try {
    thrower();
  } catch (error) {
    again = reworded(error as FoveaError, 'of $& shape; try another', 'bad-argument');
  }
  expect(again).toMatchObject({ code: 'bad-argument', message: 'of $& shape; try another', cause: 7 });
  expect(again!.stack).toMatch(/^\w+: of \$& shape; try another\n\s+at thrower /);
  expect(reworded(new FoveaError('io', 'a'), 'b')).not.toHaveProperty('cause');
});
