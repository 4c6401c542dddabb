import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadShippedModel, run, Tensor } from '@fovea/engine';
import { checkFolder, dataFolder } from '@fovea/engine/internal';
import { calibrationPath, readCalibration } from '@fovea/engine/predict';
import type { Command } from 'commander';
import { dataFolders, stateFolder } from '../../server/jupyter-paths.js';
import { findAssets } from '../../server/lab/assets.js';
import { findGpu } from '../machine/find-gpu.js';
import { installPaths, isOurKernelspec } from '../machine/installation.js';
import { printJson } from '../options/parse.js';

interface Finding {
  readonly status: 'ok' | 'warn' | 'FAIL';
  readonly subject: string;
  readonly detail: string;
}

/**
 * Runs one check; if it throws, the error's message is the finding.
 * @param otherwise status of a failed check: `warn` if Fovea works without
 */
async function check(
  subject: string,
  look: () => string | Promise<string>,
  otherwise: 'warn' | 'FAIL' = 'FAIL',
): Promise<Finding> {
  try {
    return { status: 'ok', subject, detail: await look() };
  } catch (error) {
    const detail = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    return { status: otherwise, subject, detail };
  }
}

/** Runs the shipped model once: an addon that loads does not necessarily work. */
async function checkBackend(backend: string): Promise<string> {
  const network = await loadShippedModel('quick-look');
  const { channels, height, width } = network.inputShape;
  const { profile } = await run(network, Tensor.zeros([1, height, width, channels]), { backend });
  return `${profile.source}, ${profile.totalMs.toFixed(1)} ms for the shipped model`;
}

/** Every installed kernelspec must still point at files that are there: they move when Node is upgraded. */
function checkKernelspecs(): Promise<Finding>[] {
  return dataFolders()
    .map((folder) => installPaths(folder).kernelspec)
    .filter(isOurKernelspec)
    .map((folder) =>
      check(`kernelspec ${folder}`, () => {
        const { argv } = JSON.parse(readFileSync(join(folder, 'kernel.json'), 'utf8')) as { argv: string[] };
        const missing = argv.filter((word) => word.startsWith('/') && !existsSync(word));
        if (missing.length > 0) throw new Error(`${missing.join(', ')} is gone; run fovea install again`);
        return argv.slice(0, 2).join(' ');
      }),
    );
}

/** Only the webgpu backend needs a GPU, so a machine without one is fine. */
async function checkGpu(): Promise<Finding> {
  const found = await findGpu();
  const detail =
    'gpu' in found ? `usable: --backend webgpu: ${found.gpu}` : `none for --backend webgpu; ${found.missing}`;
  return { status: 'ok', subject: 'GPU', detail };
}

/** A folder that Fovea writes into: what can only be read, or is full, is found here rather than at the end of a run. */
function checkKept(subject: string, folder: string, variable: string): Promise<Finding> {
  const look = () => {
    try {
      checkFolder(folder);
    } catch (error) {
      throw new Error(`${(error as Error).message}; ${variable} names another`);
    }
    return folder;
  };
  return check(subject, look, 'warn');
}

/** A calibration that no longer fits is not used, and without one predictions are for other machines. */
function checkCalibration(): Promise<Finding> {
  const look = () => {
    const stored = readCalibration();
    if (stored.device) return `of ${stored.measuredAt}`;
    if (existsSync(calibrationPath())) throw new Error(stored.problem);
    return `none: ${stored.problem}`;
  };
  return check('calibration', look, 'warn');
}

/** `fovea doctor`: says what works on this machine, and how to repair what does not. */
export function register(command: Command): void {
  command
    .option('--json', 'print one JSON document and nothing else')
    .action(async ({ json }: { readonly json?: boolean }) => {
      const findings = await Promise.all([
        check('Node', () => `${process.version} at ${process.execPath}`),
        check('ZeroMQ', async () => `libzmq ${(await import('zeromq')).version}`),
        check('native kernels', () => checkBackend('native'), 'warn'),
        check('onnxruntime', () => checkBackend('onnx'), 'warn'),
        checkKept('data folder', dataFolder(), 'FOVEA_DATA_DIR'),
        checkKept('state folder', stateFolder(), 'FOVEA_STATE_DIR'),
        checkCalibration(),
        check('lab application', () => findAssets().app),
        ...checkKernelspecs(),
        checkGpu(),
      ]);
      if (json) printJson(findings);
      else {
        for (const { status, subject, detail } of findings) {
          process.stdout.write(`${status.padEnd(5)} ${subject}: ${detail}\n`);
        }
      }
      if (findings.some(({ status }) => status === 'FAIL')) process.exitCode = 1;
    });
}
