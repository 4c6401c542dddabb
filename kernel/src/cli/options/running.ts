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
  readonly tune?: boolean;
  readonly threads?: string;
  readonly excitation?: string;
}

/** The option for how attention pools. */
export const EXCITATION = [
  '--excitation <mode>',
  'attention (squeeze-and-excitation, ECA, CBAM) pools the whole map (exact) or active pixels only (active) (default: exact)',
] as const;

/** The option for the backend. */
export const BACKEND = [
  '--backend <name>',
  'native, onnx, reference or webgpu (default: the fastest processor backend here)',
] as const;

/** Adds the options that all commands have that run networks. */
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
    .option(
      '--tune',
      'choose the kernels by timing them on the GPU, kept for later runs (default: on a real GPU)',
    )
    .option('--no-tune', 'choose the kernels by fixed rules')
    .option('--threads <n>', 'compute threads (default: all cores)');
}

/**
 * Reads the options of `addRunning`.
 * @throws FoveaError `bad-argument` naming the option
 */
export function parseRunning({
  granularity,
  strategy,
  backend,
  precision,
  tune,
  threads,
  excitation,
}: RunningOptions): Pick<NetworkRunOptions, 'granularity' | 'threads' | 'excitation'> & {
  readonly strategy?: string;
  readonly backend?: string | Backend;
} {
  return {
    ...(granularity === undefined ? {} : { granularity: parseGranularity(granularity) }),
    ...(strategy === undefined ? {} : { strategy }),
    ...backendOf(backend, precision, tune),
    ...(threads === undefined ? {} : { threads: parseInteger('--threads', threads) }),
    ...(excitation === undefined ? {} : { excitation: checkExcitation(excitation, '--excitation') }),
  };
}

/** @throws FoveaError `bad-argument` for an unknown precision, or for an option of webgpu with another backend */
function backendOf(
  backend: string | undefined,
  precision: string | undefined,
  tune: boolean | undefined,
): { readonly backend?: string | Backend } {
  if (precision !== undefined && precision !== 'f32' && precision !== 'f16') {
    throw new FoveaError('bad-argument', `--precision ${precision}: f32 or f16 is accepted`);
  }
  const half = precision === 'f16';
  if (!half && tune === undefined) return backend === undefined ? {} : { backend };
  if (backend !== 'webgpu') {
    const [option, what] = half
      ? ['--precision f16', 'only webgpu stores half precision']
      : [tune ? '--tune' : '--no-tune', 'only webgpu chooses kernels by timing'];
    throw new FoveaError('bad-argument', `${option} with --backend ${backend ?? 'left out'}: ${what}`);
  }
  return {
    backend: webgpuBackendWith({ ...(half ? { precision } : {}), ...(tune === undefined ? {} : { tune }) }),
  };
}
