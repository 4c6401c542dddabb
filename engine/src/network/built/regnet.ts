import { FoveaError } from '../../errors.js';
import type { Network } from '../network.js';
import { type BuiltOptions, NetworkBuilder } from './layers.js';

/** Design-space parameters (Radosavovic et al. 2020) of the models that torchvision names so. */
const PARAMETERS = {
  x_400mf: { depth: 22, w0: 24, wa: 24.48, wm: 2.54, groupWidth: 16, excite: false },
  x_800mf: { depth: 16, w0: 56, wa: 35.73, wm: 2.28, groupWidth: 16, excite: false },
  x_1_6gf: { depth: 18, w0: 80, wa: 34.01, wm: 2.25, groupWidth: 24, excite: false },
  x_3_2gf: { depth: 25, w0: 88, wa: 26.31, wm: 2.25, groupWidth: 48, excite: false },
  y_400mf: { depth: 16, w0: 48, wa: 27.89, wm: 2.09, groupWidth: 8, excite: true },
  y_800mf: { depth: 14, w0: 56, wa: 38.84, wm: 2.4, groupWidth: 16, excite: true },
  y_1_6gf: { depth: 27, w0: 48, wa: 20.71, wm: 2.65, groupWidth: 24, excite: true },
  y_3_2gf: { depth: 21, w0: 80, wa: 42.63, wm: 2.66, groupWidth: 24, excite: true },
} as const;

export type RegNetVariant = keyof typeof PARAMETERS;

export interface RegNetOptions extends BuiltOptions {
  readonly variant: RegNetVariant;
}

/**
 * A RegNetX or RegNetY with random weights, in torchvision's form; the Y family carries
 * squeeze-and-excitation of a quarter of the block's input width.
 * @throws FoveaError `unknown-name` for another variant, `bad-argument` for options out of range
 */
export function builtRegNet({ variant, ...options }: RegNetOptions): Network {
  const parameters = PARAMETERS[variant];
  if (!parameters) {
    throw new FoveaError(
      'unknown-name',
      `RegNet variant ${variant}: known are ${Object.keys(PARAMETERS).join(', ')}`,
    );
  }
  const { groupWidth, excite } = parameters;
  const stages = stagesOf(parameters);
  const build = new NetworkBuilder(`regnet_${variant}`, options, stages.length);
  build.dense(build.convolution('stem.0', 3, 32, { kernel: 3, stride: 2, activation: 'relu' }));
  let inChannels = 32;
  stages.forEach(({ width, depth }, stage) => {
    for (let position = 0; position < depth; position++) {
      const name = `trunk_output.block${stage + 1}.block${stage + 1}-${position}`;
      const stride = position === 0 ? 2 : 1;
      const squeezed = Math.round(0.25 * inChannels);
      build.block({
        stage,
        name,
        kind: 'bottleneck',
        branch: [
          build.convolution(`${name}.f.a.0`, inChannels, width, { activation: 'relu' }),
          build.convolution(`${name}.f.b.0`, width, width, {
            kernel: 3,
            stride,
            groups: width / groupWidth,
            activation: 'relu',
          }),
          build.convolution(`${name}.f.c.0`, width, width, { gain: 0.25 }),
        ],
        ...(excite
          ? {
              attention: {
                after: 1,
                pools: ['mean'],
                reduce: build.convolution(`${name}.f.se.fc1`, width, squeezed, { activation: 'relu' }),
                gate: build.convolution(`${name}.f.se.fc2`, squeezed, width, { activation: 'sigmoid' }),
              },
            }
          : {}),
        ...(stride !== 1 || inChannels !== width
          ? { projection: build.convolution(`${name}.proj.0`, inChannels, width, { stride }) }
          : {}),
        activation: 'relu',
        adaptive: true,
      });
      inChannels = width;
    }
  });
  build.head('avgpool', 'fc', inChannels, options.classes);
  return build.finish();
}

/** Widths and depths of the stages from the design-space parameters: quantised to 8, then to whole groups. */
function stagesOf(parameters: (typeof PARAMETERS)[RegNetVariant]): { width: number; depth: number }[] {
  const { depth, w0, wa, wm, groupWidth } = parameters;
  const stages: { width: number; depth: number }[] = [];
  let previous = -1;
  for (let i = 0; i < depth; i++) {
    const exponent = Math.round(Math.log((w0 + i * wa) / w0) / Math.log(wm));
    const quantised = Math.round((w0 * wm ** exponent) / 8) * 8;
    const width =
      quantised < groupWidth ? quantised : Math.max(1, Math.round(quantised / groupWidth)) * groupWidth;
    if (quantised !== previous) stages.push({ width, depth: 0 });
    stages[stages.length - 1]!.depth++;
    previous = quantised;
  }
  return stages;
}
