import { afterEach, describe, expect, it, vi } from 'vitest';
import { loadRuntime, openModel, runModel } from '../../../../engine/src/onnxruntime.js';
import { model } from '../../support/onnx-graphs.js';

afterEach(() => vi.restoreAllMocks());

describe('a model that onnxruntime refuses to optimise', () => {
  const bytes = model((g, x) => g.node('Relu', [x]));

  it('runs as it stands', async () => {
    const { InferenceSession, Tensor } = await loadRuntime();
    const create = vi.spyOn(InferenceSession, 'create');
    create.mockRejectedValueOnce(new Error('Exception during initialization'));
    const session = await openModel(bytes, { threads: 1 }, 'a piece');
    expect(create).toHaveBeenCalledTimes(2);
    const data = Float32Array.from({ length: 192 }, (_, i) => i - 96);
    const { [session.outputNames[0]!]: output } = await runModel(
      session,
      { x: new Tensor('float32', data, [1, 3, 8, 8]) },
      'a piece',
    );
    await session.release();
    expect(output!.data).toEqual(data.map((value) => Math.max(value, 0)));
  });

  it('is refused for the first reason where it does not run at all', async () => {
    const damaged = bytes.slice(0, bytes.length - 40);
    await expect(openModel(damaged, { threads: 1 }, 'a piece')).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringMatching(/^a piece: onnxruntime refuses it: /),
    });
  });
});
