import type { NetworkRunOptions } from '@fovea/engine';
import { checkExcitation, parseGranularity } from '@fovea/engine/internal';
import type { Command } from 'commander';
import { parseInteger } from './parse.js';

/** How a network is to be run, as commands take it. */
export interface RunningOptions {
  readonly granularity?: string;
  readonly strategy?: string;
  readonly backend?: string;
  readonly threads?: string;
  readonly excitation?: string;
}

/** The option that says how squeeze-and-excitation pools. */
export const EXCITATION = [
  '--excitation <mode>',
  'squeeze-and-excitation pools the whole map (exact) or active pixels only (active) (default: exact)',
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
    .option('--backend <name>', 'native, onnx or reference (default: the fastest here)')
    .option('--threads <n>', 'compute threads (default: all cores)');
}

/**
 * Reads them.
 * @throws FoveaError `bad-argument` naming the option
 */
export function parseRunning({ granularity, strategy, backend, threads, excitation }: RunningOptions): Pick<
  NetworkRunOptions,
  'granularity' | 'threads' | 'excitation'
> & {
  readonly strategy?: string;
  readonly backend?: string;
} {
  return {
    ...(granularity === undefined ? {} : { granularity: parseGranularity(granularity) }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(backend === undefined ? {} : { backend }),
    ...(threads === undefined ? {} : { threads: parseInteger('--threads', threads) }),
    ...(excitation === undefined ? {} : { excitation: checkExcitation(excitation, '--excitation') }),
  };
}
