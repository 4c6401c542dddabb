import { FoveaError, type Preprocessing } from '@fovea/engine';
import type { ImageSize, PerChannel } from '@fovea/engine/internal';
import type { Command } from 'commander';
import { parseSize } from './parse.js';

/** How image files become a network's input, as commands take it. */
export interface PreprocessingOptions {
  readonly size?: string;
  readonly resize?: string;
  readonly crop?: string;
  readonly mean?: string;
  readonly std?: string;
}

/** Adds the options for the size of a network's input and for normalising images. */
export function addNormalisation(command: Command): Command {
  return command
    .option('--size <HxW>', "input height and width, or one side (default: the network's own)")
    .option(
      '--mean <r,g,b>',
      "mean of each channel, of values from 0 to 1 (default: the network's, or ImageNet's)",
    )
    .option('--std <r,g,b>', "standard deviation of each channel (default: the network's, or ImageNet's)");
}

/** Adds the options for scaling, cropping and normalising image files. */
export function addPreprocessing(command: Command): Command {
  return addNormalisation(command)
    .option('--resize <way>', 'crop keeps proportions, stretch does not (default: crop)')
    .option('--crop <part>', "part of the scaled image's shorter side that is kept (default: 0.875)");
}

/**
 * Reads the options of `addPreprocessing`.
 * @returns `size`: undefined for the network's own; `how`: only what was given
 * @throws FoveaError `bad-argument` naming the option
 */
export function parsePreprocessing({ size, resize, crop, mean, std }: PreprocessingOptions): {
  readonly size?: ImageSize;
  readonly how: Preprocessing;
} {
  if (resize !== undefined && resize !== 'crop' && resize !== 'stretch') {
    throw new FoveaError('bad-argument', `--resize ${resize}: crop or stretch is accepted`);
  }
  if (resize === 'stretch' && crop !== undefined) {
    throw new FoveaError('bad-argument', '--crop has no meaning with --resize stretch: nothing is cut off');
  }
  return {
    ...(size === undefined ? {} : { size: parseSize('--size', size) }),
    how: {
      ...(resize === undefined ? {} : { fit: resize }),
      ...(crop === undefined ? {} : { cropFraction: parseCrop(crop) }),
      ...(mean === undefined ? {} : { mean: parseChannels('--mean', mean, Number.NEGATIVE_INFINITY) }),
      ...(std === undefined ? {} : { deviation: parseChannels('--std', std, 0) }),
    },
  };
}

/** @throws FoveaError `bad-argument` when any of the options was given */
export function refusePreprocessing(
  options: PreprocessingOptions,
  names: readonly (keyof PreprocessingOptions)[],
  why: string,
): void {
  const given = names.find((name) => options[name] !== undefined);
  if (given) throw new FoveaError('bad-argument', `--${given} ${options[given]}: ${why}`);
}

function parseCrop(text: string): number {
  const value = text.trim() === '' ? Number.NaN : Number(text);
  if (!(value > 0 && value <= 1)) {
    throw new FoveaError('bad-argument', `--crop ${text}: a number above 0, up to 1, is accepted`);
  }
  return value;
}

/** Reads `0.485,0.456,0.406`, or one number for all channels; all of them above `least`. */
function parseChannels(option: string, text: string, least: number): PerChannel {
  const values = text.split(',').map((part) => (part.trim() === '' ? Number.NaN : Number(part)));
  if (
    (values.length !== 1 && values.length !== 3) ||
    !values.every((value) => Number.isFinite(value) && value > least)
  ) {
    const kind = least === 0 ? 'numbers above 0' : 'numbers';
    throw new FoveaError('bad-argument', `${option} ${text}: one or three ${kind} are accepted`);
  }
  const [red, green = red, blue = red] = values as [number, number?, number?];
  return [red, green as number, blue as number];
}
