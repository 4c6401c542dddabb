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

/** Lets a kernel ask for subgroups of one size, where an adapter has several; newer than TypeScript's types. */
export const SUBGROUP_SIZES = 'subgroup-size-control' as GPUFeatureName;

/**
 * The size that is asked for where an adapter's range has it: the one whose matrices AMD's and Intel's GPUs multiply in
 * hardware, and that onnxruntime asks them for.
 */
const USUAL_SUBGROUP = 32;

/**
 * The subgroups that kernels of matrices are made for: of the adapter's one size, or of one out of its range if kernels can
 * ask for it. Otherwise none: a driver may choose another size for each pipeline, so that no check of one says what the
 * next will have.
 */
function subgroupOf({ features, info }: GPUAdapter): Pick<MatrixUnit, 'subgroup' | 'isAskedFor'> | undefined {
  const { subgroupMinSize: min, subgroupMaxSize: max } = info;
  if (!min || !max) return undefined;
  if (min === max) return { subgroup: max };
  if (!features.has(SUBGROUP_SIZES)) return undefined;
  const isUsual = min <= USUAL_SUBGROUP && USUAL_SUBGROUP <= max;
  return { subgroup: isUsual ? USUAL_SUBGROUP : max, isAskedFor: true };
}

/**
 * The matrices of half precision that an adapter's subgroups multiply and sum in float32, the first that kernels can be
 * made of; undefined where it offers none. Those of float32 are left out: nothing promises that their factors are not
 * rounded to fewer bits than float32 has. So are sums in half precision, which are not what `f16` stands for.
 */
export function matricesOf(adapter: GPUAdapter): MatrixUnit | undefined {
  const { features, info } = adapter;
  const offered = [MATRICES, 'subgroups', 'shader-f16'].every((name) => features.has(name as GPUFeatureName));
  const subgroup = offered ? subgroupOf(adapter) : undefined;
  if (!subgroup) return undefined;
  return [...((info as MatrixInfo).subgroupMatrixConfigs ?? [])]
    .filter(
      ({ componentType, resultComponentType }) => componentType === 'f16' && resultComponentType === 'f32',
    )
    .map(({ M, N, K }): MatrixUnit => ({ M, N, K, ...subgroup }))
    .find((unit) => matrixTiles(unit).length > 0);
}
