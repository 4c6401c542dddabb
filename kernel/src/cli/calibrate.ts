import os from 'node:os';
import { FoveaError } from '@fovea/engine';
import { calibrate, calibrationOf } from '@fovea/engine/predict';
import type { Command } from 'commander';
import { asTable, printJson } from './parse.js';
import { showProgress } from './progress.js';

interface CalibrateCommandOptions {
  readonly seconds?: string;
  readonly store: boolean;
  readonly json?: boolean;
}

/** How much slower than at its best the processor may have been before a warning is printed. */
const busy = 0.1;

/** `fovea calibrate`: measures this machine, so that it can be predicted for as `this-machine`. */
export function register(program: Command): void {
  program
    .command('calibrate')
    .description('Measure this machine and keep the result: the device "this-machine" from then on.')
    .option('--seconds <n>', 'measuring time to aim for (default: 20)')
    .option('--no-store', 'measure and report, but leave the stored calibration as it is')
    .option('--json', 'print one JSON document (the device) and nothing else')
    .action(async ({ seconds, store, json }: CalibrateCommandOptions) => {
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
      const result = await calibrate({
        store,
        signal: progress.signal,
        onProgress: progress.update,
        ...(wanted === undefined ? {} : { seconds: wanted }),
      }).finally(progress.end);
      const { device, path, slowdown } = result;
      if (slowdown > busy || load > os.availableParallelism()) {
        const slower = `${(100 * slowdown).toFixed(0)} % slower than at its best`;
        process.stderr.write(
          `warning: the machine was busy (load ${load.toFixed(1)}, ${slower}); calibrate again when it is not\n`,
        );
      }
      if (json) return printJson(device);
      const giga = (value: number) => (value / 1e9).toFixed(1);
      const rows = [
        [
          'arithmetic, all cores',
          `${giga(2 * device.processingEngines * device.lanes * device.frequencyHz)} GFLOP/s`,
        ],
        ['memory bandwidth', `${giga(device.memoryBandwidth)} GB/s`],
        ['cache bandwidth', `${giga(device.memoryBandwidth * device.cacheBandwidthRatio)} GB/s`],
        ...calibrationOf(device)!.fits.map(({ threads, samples, medianError }) => [
          `${threads} thread${threads === 1 ? '' : 's'}`,
          `${samples} passes timed, median error of the fit ${(100 * medianError).toFixed(1)} %`,
        ]),
      ];
      process.stdout.write(
        `${device.source}, ${result.seconds.toFixed(0)} s\n${asTable(rows)}\n${path === undefined ? 'not stored' : `stored in ${path}`}\n`,
      );
    });
}
