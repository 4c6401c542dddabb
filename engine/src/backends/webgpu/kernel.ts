/** A buffer that a kernel reads or writes. */
export interface Binding {
  readonly name: string;
  readonly access: 'read' | 'write';
  /** WGSL type of an element: `Value` for four channels of a map. */
  readonly element: 'Value' | 'vec4f' | 'f32' | 'u32' | 'atomic<u32>';
}

/** A compute shader with what it is given: the one place that says how its parameters and buffers are laid out. */
export interface Kernel {
  /** Unique; a variant has its own. */
  readonly name: string;
  /** Unsigned numbers in the order of the uniform's fields, `p.NAME` in the code. */
  readonly parameters: readonly string[];
  /** In order of binding, from 1. */
  readonly bindings: readonly Binding[];
  /** WGSL with an entry point `main`. */
  readonly code: string;
  /** The same with operations of subgroups, whatever their size, for adapters that offer them. */
  readonly subgroupCode?: string;
  /** Extensions of WGSL that `code` needs. */
  readonly enables?: readonly string[];
}

/** How activations and weights are stored; sums are float32 always. */
export type Precision = 'f32' | 'f16';

/** Bytes of four channels of a map. */
export const vectorBytes = { f32: 16, f16: 8 } as const;

/** The largest number in half precision. */
export const LARGEST_HALF = 65_504;

/**
 * How a sum becomes a value of a map, `stored`. What half precision does not hold is its largest number: WGSL does not say
 * what else it would be, and of an infinity the next convolution makes no number, of which a ReLU makes 0.
 */
const storedCode: Readonly<Record<Precision, string>> = {
  f32: 'fn stored(v: vec4f) -> Value { return v; }',
  f16: `fn stored(v: vec4f) -> Value { return Value(clamp(v, vec4f(-${LARGEST_HALF}), vec4f(${LARGEST_HALF}))); }`,
};

/** A parameter that names nothing: no list, no counter. */
export const NONE = 0xffff_ffff;

/** Channels as maps have them on the GPU: a multiple of four, so that every access is a whole vector. */
export function vectors(channels: number): number {
  return Math.ceil(channels / 4);
}

/** Invocations of the kernels that give each invocation an item of its own. */
export const GROUP = 256;

/** The most workgroups that WebGPU promises along one axis. */
export const MOST_GROUPS = 65_535;

/** The parameter of kernels whose workgroups can be dispatched in slices: the number of the first one. */
export const FIRST_GROUP = 'firstGroup';

/** Workgroups along x and z for `count` of them; kernels number them by `groupNumber`. */
export function spread(count: number): readonly [x: number, z: number] {
  return [Math.min(count, MOST_GROUPS), Math.ceil(count / MOST_GROUPS)];
}

/** The parameters of a kernel as bytes. */
export function encodeParameters(
  { name, parameters }: Kernel,
  values: Readonly<Record<string, number>>,
): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(parameters.length / 4) * 4);
  parameters.forEach((parameter, i) => {
    const value = values[parameter];
    if (value === undefined) throw new Error(`kernel ${name} is not given its ${parameter}`);
    words[i] = value;
  });
  return words;
}

/** What shaders may use. */
export interface ShaderFeatures {
  readonly precision: Precision;
  readonly subgroups: boolean;
}

/** The whole shader of a kernel. */
export function wgslOf(
  { parameters, bindings, code, subgroupCode, enables = [] }: Kernel,
  { precision, subgroups }: ShaderFeatures,
): string {
  const own = subgroups ? subgroupCode : undefined;
  const first = parameters.includes(FIRST_GROUP) ? `p.${FIRST_GROUP} + ` : '';
  const declared = bindings.map(
    ({ name, access, element }, i) =>
      `@group(0) @binding(${i + 1}) var<storage, ${access === 'read' ? 'read' : 'read_write'}> ${name}: array<${element}>;`,
  );
  return [
    ...[...(own ? ['subgroups'] : []), ...enables].map((name) => `enable ${name};`),
    ...(precision === 'f16' ? ['enable f16;', 'alias Value = vec4<f16>;'] : ['alias Value = vec4f;']),
    `struct Parameters { ${parameters.map((name) => `${name}: u32,`).join(' ')} }`,
    '@group(0) @binding(0) var<uniform> p: Parameters;',
    ...declared,
    `const NONE = ${NONE}u;`,
    storedCode[precision],
    `fn groupNumber(group: vec3u, groups: vec3u) -> u32 { return ${first}group.x + group.z * groups.x; }`,
    own ?? code,
  ].join('\n');
}

/** Head of the entry point of a kernel whose invocations have an item each, its number in `item`. */
export const eachItem = `@compute @workgroup_size(${GROUP})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(num_workgroups) groups: vec3u, @builtin(local_invocation_index) local: u32) {
  let item = groupNumber(group, groups) * ${GROUP}u + local;`;
