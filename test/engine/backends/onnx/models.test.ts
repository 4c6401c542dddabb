import { FoveaError } from '@fovea/engine';
import { describe, expect, it, vi } from 'vitest';
import { OpenModels } from '../../../../engine/src/backends/onnx/models.js';
import { model } from '../../support/onnx-graphs.js';

const identityGraph = () => model((graph, x) => graph.node('Relu', [x]));

describe('open graphs', () => {
  it('are closed when there are more than the most, the one used longest ago first', async () => {
    const models = new OpenModels('test', 2);
    const make = vi.fn(identityGraph);
    const sessions = [await models.get('a', 1, make), await models.get('b', 1, make)];
    const released = sessions.map((session) => vi.spyOn(session, 'release'));
    await models.get('a', 1, make);
    await models.get('c', 1, make);
    expect(released.map(({ mock }) => mock.calls.length)).toEqual([0, 1]);
    expect(await models.get('a', 1, make)).toBe(sessions[0]);
    expect(await models.get('b', 1, make)).not.toBe(sessions[1]);
    expect(make).toHaveBeenCalledTimes(4);
    await models.close();
    expect(released.map(({ mock }) => mock.calls.length)).toEqual([1, 1]);
  });

  it('are others for another number of threads', async () => {
    const models = new OpenModels('test', 4);
    expect(await models.get('a', 1, identityGraph)).not.toBe(await models.get('a', 2, identityGraph));
    await models.close();
  });

  it('are asked for again when they could not be opened, and refused once closed', async () => {
    const models = new OpenModels('test', 2);
    await expect(models.get('a', 1, () => new Uint8Array([1, 2, 3]))).rejects.toThrow(FoveaError);
    await models.get('a', 1, identityGraph);
    await models.close();
    await expect(models.get('a', 1, identityGraph)).rejects.toThrow('the session was disposed');
  });
});
