import { type MatrixUnit, matrixTiles } from './kernels/matrices.js';

/** The experimental feature of Dawn, and of Chromium with --enable-unsafe-webgpu, that no type declares yet. */
export const MATRICES = 'chromium-experimental-subgroup-matrix' as GPUFeatureName;

/** What such an adapter says of itself besides. */
interface MatrixInfo {
  readonly subgroupMatrixConfigs?: Iterable<{
    readonly M: number;
    readonly N: number;
    readonly K: number;
    readonly componentType: string;
    readonly resultComponentType: string;
  }>;
}

/**
 * The matrices of half precision that an adapter's subgroups multiply and sum in float32, the first that kernels can be
 * made of; undefined where it offers none. Those of float32 are left out: nothing promises that their factors are not
 * rounded to fewer bits than float32 has. So are sums in half precision, which are not what `f16` stands for, and adapters
 * whose subgroups have several sizes, since a kernel is made for one.
 */
export function matricesOf({ features, info }: GPUAdapter): MatrixUnit | undefined {
  const { subgroupMinSize, subgroupMaxSize } = info;
  const offered = [MATRICES, 'subgroups', 'shader-f16'].every((name) => features.has(name as GPUFeatureName));
  if (!offered || !subgroupMaxSize || subgroupMinSize !== subgroupMaxSize) return undefined;
  return [...((info as MatrixInfo).subgroupMatrixConfigs ?? [])]
    .filter(
      ({ componentType, resultComponentType }) => componentType === 'f16' && resultComponentType === 'f32',
    )
    .map(({ M, N, K }): MatrixUnit => ({ M, N, K, subgroup: subgroupMaxSize }))
    .find((unit) => matrixTiles(unit).length > 0);
}
