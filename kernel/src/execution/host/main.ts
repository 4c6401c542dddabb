import { readConnection } from '../../protocol/connection.js';
import { version } from '../../version.js';
import { Kernel } from './kernel.js';
import { watchParent } from './parentWatch.js';

const DEFAULT_OUTPUT_LIMIT = 8_000_000;

/**
 * Starts a kernel and keeps it until it is shut down.
 *
 * @param connectionFile path that Jupyter gives
 * @throws FoveaError when the file cannot be read or a socket cannot be bound
 */
export async function startKernel(connectionFile: string): Promise<void> {
  const connection = readConnection(connectionFile);
  const kernel = new Kernel({
    connection,
    directory: process.cwd(),
    version,
    outputLimit: Number(process.env.FOVEA_OUTPUT_LIMIT) || DEFAULT_OUTPUT_LIMIT,
    colour: !process.env.NO_COLOR,
    checkTypes: process.env.FOVEA_TYPES !== 'off',
    log: (line) => process.stderr.write(`[fovea] ${line}\n`),
    exit: () => process.exit(0),
  });
  process.on('SIGINT', () => void kernel.interrupt());
  process.on('SIGTERM', () => void kernel.shutdown());
  await kernel.start();
  watchParent(() => void kernel.shutdown());
}
