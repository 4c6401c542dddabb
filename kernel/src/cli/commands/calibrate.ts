import os from 'node:os';
import { FoveaError } from '@fovea/engine';
import { getBackend } from '@fovea/engine/backend';
import { didYouMean } from '@fovea/engine/files';
import { calibrationSeconds } from '@fovea/engine/internal';
import { type CalibrationResult, calibrationOf } from '@fovea/engine/predict';
import type { Command } from 'commander';
import { calibrateAlone } from '../../calibrate-alone.js';
import { counted, formatPercent } from '../../presentation/index.js';
import { asTable, printJson } from '../options/parse.js';
import { showProgress } from '../output/progress.js';

interface CalibrateCommandOptions {
  readonly backend?: string;
  readonly seconds?: string;
  readonly store: boolean;
  readonly json?: boolean;
}

/** How much slower than at its best the processor may have been before a warning is printed. */
const busy = 0.1;

/** Backends that a device is calibrated for. */
const calibrated: readonly string[] = ['native', 'webgpu'];

/** `fovea calibrate`: measures this machine, so that it can be predicted for as `this-machine` or `this-gpu`. */
export function register(command: Command): void {
  command
    .option('--backend <name>', 'native, or webgpu to measure the GPU (default: native)')
    .option('--seconds <n>', `measuring time to aim for, native only (default: ${calibrationSeconds})`)
    .option('--no-store', 'measure and report, but leave the stored calibration as it is')
    .option('--json', 'print one JSON document (the device) and nothing else')
    .action(async ({ backend = 'native', seconds, store, json }: CalibrateCommandOptions) => {
      if (!calibrated.includes(backend)) {
        throw new FoveaError(
          'unknown-name',
          `--backend ${backend}: ${calibrated.join(' or ')} is accepted${didYouMean(backend, calibrated)}`,
        );
      }
      if (backend === 'webgpu' && seconds !== undefined) {
        throw new FoveaError('bad-argument', '--seconds cannot be set with --backend webgpu');
      }
      const wanted = seconds === undefined ? undefined : Number(seconds);
      if (wanted !== undefined && !(wanted > 0 && wanted <= 3600)) {
        throw new FoveaError(
          'bad-argument',
          `--seconds ${seconds}: a number above 0, at most 3600, is accepted`,
        );
      }
      // Read before this command adds to it: processes that want a core, where the system counts them.
      const load = os.loadavg()[0]!;
      const progress = showProgress('calibrating');
      const result = await calibrateAlone({
        backend: getBackend(backend),
        store,
        signal: progress.signal,
        onProgress: progress.update,
        ...(wanted === undefined ? {} : { seconds: wanted }),
      }).finally(progress.end);
      const { device, slowdown } = result;
      if (slowdown > busy || load > os.availableParallelism()) {
        const slower = `${formatPercent(slowdown, 0)} slower than at its best`;
        process.stderr.write(
          `warning: the machine was busy (load ${load.toFixed(1)}, ${slower}); calibrate again when it is not\n`,
        );
      }
      if (json) return printJson(device);
      process.stdout.write(`${asText(result)}\n`);
    });
}

const giga = (value: number) => (value / 1e9).toFixed(1);

function asText({ device, seconds, path }: CalibrationResult): string {
  const gpu = device.kind === 'gpu';
  const rows = [
    [
      gpu ? 'arithmetic of convolutions' : 'arithmetic, all cores',
      `${giga(2 * device.processingEngines * device.lanes * device.frequencyHz)} GFLOP/s`,
    ],
    ['memory bandwidth', `${giga(device.memoryBandwidth)} GB/s`],
    ['cache bandwidth', `${giga(device.memoryBandwidth * device.cacheBandwidthRatio)} GB/s`],
    ...(gpu ? [['starting a dispatch', `${(1e3 * device.launchMs).toFixed(1)} µs`]] : []),
    ...(calibrationOf(device)?.fits ?? []).map(({ threads, handoverMs, samples, medianError }) => [
      `${counted(threads, 'thread')}${handoverMs ? `, ${Math.round(1e6 * handoverMs)} ns apart` : ''}`,
      `${samples} passes fitted, median error of the fit ${formatPercent(medianError, 1)}`,
    ]),
  ];
  const stored = path === undefined ? 'not stored' : `stored in ${path}`;
  return `${device.source}, ${seconds.toFixed(0)} s\n${asTable(rows)}\n${stored}`;
}
