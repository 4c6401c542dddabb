// @module-tag process
import { describe, expect, it } from 'vitest';
import { fovea } from './run-fovea.js';

describe('names that are almost right on the command line', () => {
  it.each([
    ['infr x', "unknown command 'infr'; did you mean infer?"],
    ['sweeps shw', "unknown command 'shw'; did you mean show?"],
    ['sweeps cansel first', "unknown command 'cansel'; did you mean cancel?"],
    ['predict resnet50 --devise tx2', "unknown option '--devise'; did you mean --device?"],
    ['predict resnet50 --devise=tx2', "unknown option '--devise=tx2'; did you mean --device?"],
    ['infer quick-look --inpt x', "unknown option '--inpt'; did you mean --input?"],
    ['predict mobilenet-v2 --device tx2', 'did you mean mobilenet_v2?'],
    ['predict regnet_x_1.6gf --device tx2', 'did you mean regnet_x_1_6gf?'],
    ['predict resnet50 --device cpuavx2', 'did you mean cpu-avx2?'],
    ['predict resnet50 --device tx2 --strategy streamd', 'did you mean streamed?'],
    ['bench quick-look --masker saliancy', 'did you mean saliency?'],
    ['bench quick-look --backend nativ', 'did you mean native?'],
    ['calibrate --backend webgp', 'did you mean webgpu?'],
    ['evaluate quick-look --device tx3', 'did you mean tx2?'],
  ])('fovea %s', async (line, message) => {
    const { code, stdout, stderr } = await fovea(...line.split(' '));
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.split('\n')[0]).toContain(message);
    expect(stderr.match(/did you mean/gi)).toHaveLength(1);
  });

  it('has no suggestion where nothing is near, and says what is missing', async () => {
    expect((await fovea('xyzzy')).stderr).toMatch(/^error: unknown command 'xyzzy'\n/);
    expect((await fovea('infer', 'quick-look')).stderr).toMatch(
      /^error: required option '--input <file>' not specified\n/,
    );
    expect((await fovea('sweeps', 'list', 'first')).stderr).toMatch(/^error: too many arguments for 'list'/);
  });
});
