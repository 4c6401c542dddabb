import { FoveaError, type NetworkRunOptions } from '@fovea/engine';
import { type Backend, webgpuBackendWith } from '@fovea/engine/backend';
import { checkExcitation, parseGranularity } from '@fovea/engine/internal';
import type { Command } from 'commander';
import { parseInteger } from './parse.js';

/** How a network is to be run, as commands take it. */
export interface RunningOptions {
  readonly granularity?: string;
  readonly strategy?: string;
  readonly backend?: string;
  readonly precision?: string;
  readonly threads?: string;
  readonly excitation?: string;
}

/** The option that says how squeeze-and-excitation pools. */
export const EXCITATION = [
  '--excitation <mode>',
  'squeeze-and-excitation pools the whole map (exact) or active pixels only (active) (default: exact)',
] as const;

/** The option that says what computes. */
export const BACKEND = [
  '--backend <name>',
  'native, onnx, reference or webgpu (default: the fastest processor backend here)',
] as const;

/** Adds the options that every command has which runs networks. */
export function addRunning(command: Command): Command {
  return command
    .option(
      '--granularity <S>',
      'S: one, per stage or per block, separated by commas; "whole" is the whole map (default: as trained, or 1)',
    )
    .option('--strategy <name>', 'dense, unfused, lasnet, streamed or auto (default: streamed)')
    .option(...EXCITATION)
    .option(...BACKEND)
    .option(
      '--precision <name>',
      'f32, or f16 for activations and weights on a GPU that has it (default: f32)',
    )
    .option('--threads <n>', 'compute threads (default: all cores)');
}

/**
 * Reads them.
 * @throws FoveaError `bad-argument` naming the option
 */
export function parseRunning({
  granularity,
  strategy,
  backend,
  precision,
  threads,
  excitation,
}: RunningOptions): Pick<NetworkRunOptions, 'granularity' | 'threads' | 'excitation'> & {
  readonly strategy?: string;
  readonly backend?: string | Backend;
} {
  return {
    ...(granularity === undefined ? {} : { granularity: parseGranularity(granularity) }),
    ...(strategy === undefined ? {} : { strategy }),
    ...backendOf(backend, precision),
    ...(threads === undefined ? {} : { threads: parseInteger('--threads', threads) }),
    ...(excitation === undefined ? {} : { excitation: checkExcitation(excitation, '--excitation') }),
  };
}

/** @throws FoveaError `bad-argument` for a precision that is unknown or that only the GPU has */
function backendOf(
  backend: string | undefined,
  precision: string | undefined,
): { readonly backend?: string | Backend } {
  if (precision === undefined || precision === 'f32') return backend === undefined ? {} : { backend };
  if (precision !== 'f16') {
    throw new FoveaError('bad-argument', `--precision ${precision}: f32 or f16 is accepted`);
  }
  if (backend !== 'webgpu') {
    throw new FoveaError(
      'bad-argument',
      `--precision f16 with --backend ${backend ?? 'left out'}: only webgpu stores half precision`,
    );
  }
  return { backend: webgpuBackendWith({ precision }) };
}
