import { describe, expect, it } from 'vitest';
import { parseRunning } from '../../../../kernel/src/cli/options/running.js';

describe('--precision', () => {
  it('f16 stores half precision on the GPU', () => {
    const { backend } = parseRunning({ backend: 'webgpu', precision: 'f16' });
    expect(backend).toMatchObject({ name: 'webgpu', outputTolerance: 5e-3 });
  });

  it('f32 is what every backend does', () => {
    expect(parseRunning({ backend: 'native', precision: 'f32' })).toEqual({ backend: 'native' });
    expect(parseRunning({ precision: 'f32' })).toEqual({});
  });

  it.each([undefined, 'native'])('f16 is refused with backend %s', (backend) => {
    expect(() => parseRunning({ ...(backend ? { backend } : {}), precision: 'f16' })).toThrow(
      /--precision f16 with --backend (left out|native): only webgpu stores half precision/,
    );
  });

  it('anything else is refused', () => {
    expect(() => parseRunning({ precision: 'int8' })).toThrow(/--precision int8: f32 or f16 is accepted/);
  });
});

describe('--tune', () => {
  it('times kernels or leaves them to the rule, on the GPU alone', () => {
    expect(parseRunning({ backend: 'webgpu', tune: true }).backend).toMatchObject({ name: 'webgpu' });
    expect(parseRunning({ backend: 'webgpu' })).toEqual({ backend: 'webgpu' });
    const half = parseRunning({ backend: 'webgpu', precision: 'f16', tune: false }).backend;
    expect(half).toMatchObject({ name: 'webgpu', outputTolerance: 5e-3 });
    expect(() => parseRunning({ backend: 'native', tune: true })).toThrow(
      /--tune with --backend native: only webgpu chooses kernels by timing/,
    );
    expect(() => parseRunning({ tune: false })).toThrow(/--no-tune with --backend left out/);
  });
});
