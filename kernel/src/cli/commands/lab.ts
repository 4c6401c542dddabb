import { statSync } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import { FoveaError } from '@fovea/engine';
import type { Command } from 'commander';
import { describeArgument } from '../options/argument.js';

interface LabCommandOptions {
  readonly port?: string;
  readonly ip: string;
  readonly token?: string;
  readonly browser: boolean;
  readonly allowHost: readonly string[];
  readonly baseUrl: string;
  readonly trustProxy: readonly string[];
  readonly trash: boolean;
  readonly terminals?: boolean;
  readonly allowHidden?: boolean;
  readonly followLinks?: boolean;
  readonly labextensions: readonly string[];
  readonly exposeApp?: boolean;
}

const collect = (value: string, all: readonly string[]): readonly string[] => [...all, value];

/** `fovea lab`: serves the built-in JupyterLab. */
export function register(command: Command): void {
  describeArgument(command, 'folder to show, or a notebook to open', '.')
    .option('--port <number>', 'port to listen on; 0 for any (default: 8888, or the next free one)')
    .option(
      '--ip <address>',
      'address to listen on; any but 127.0.0.1 can be reached from other machines',
      '127.0.0.1',
    )
    .option(
      '--token <secret>',
      'access token; random by default, or $JUPYTER_TOKEN; empty disables authentication',
    )
    .option('--no-browser', 'print the address only')
    .option('--allow-host <name>', 'also accept requests for this host name; repeatable', collect, [])
    .option('--base-url <path>', 'serve below this path, as a proxy passes it on: /fovea/', '/')
    .option(
      '--trust-proxy <address>',
      'trust X-Forwarded headers from this proxy: an address, or a network such as 10.0.0.0/8; repeatable',
      collect,
      [],
    )
    .option('--terminals', 'offer terminals even when other machines can reach the lab')
    .option('--no-terminals', 'offer no terminals')
    .option('--no-trash', 'delete permanently instead of moving to the trash')
    .option('--allow-hidden', 'show files whose names start with a dot')
    .option('--follow-links', 'follow symbolic links that lead out of the folder')
    .option(
      '--labextensions <folder>',
      'load prebuilt labextensions from this folder too; repeatable',
      collect,
      [],
    )
    .option('--expose-app', 'leave the application in window.jupyterapp, for tests and debugging')
    .action(runLab);
}

/**
 * Reads a port.
 * @throws FoveaError `bad-argument` for anything but 0…65535
 */
function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) {
    throw new FoveaError('bad-argument', `--port ${text}: a number from 0 to 65535 is accepted`);
  }
  return port;
}

/** The folder to serve and the document to open, from what was given on the command line. */
function splitTarget(path: string): { folder: string; document: string } {
  const target = resolve(path);
  const status = statSync(target, { throwIfNoEntry: false });
  if (!status) throw new FoveaError('bad-argument', `${path} does not exist; a folder or a file is accepted`);
  if (status.isDirectory()) return { folder: target, document: '' };
  return { folder: dirname(target), document: basename(target) };
}

async function runLab(path: string, options: LabCommandOptions): Promise<void> {
  const { folder, document } = splitTarget(path);
  const [{ LabServer }, { openBrowser }] = await Promise.all([
    import('../../server/server.js'),
    import('../machine/browser.js'),
  ]);
  const token = options.token ?? process.env.JUPYTER_TOKEN;
  const server = await LabServer.start({
    folder,
    ip: options.ip,
    ...(options.port === undefined ? {} : { port: parsePort(options.port), portRetries: 0 }),
    ...(token === undefined ? {} : { token }),
    allowHosts: options.allowHost,
    baseUrl: options.baseUrl,
    trustProxies: options.trustProxy,
    deleteToTrash: options.trash,
    ...(options.terminals === undefined ? {} : { terminals: options.terminals }),
    allowHidden: options.allowHidden ?? false,
    followLinks: options.followLinks ?? false,
    labextensions: options.labextensions,
    exposeApp: options.exposeApp ?? false,
    log: (line) => process.stderr.write(`fovea: ${line}\n`),
  });
  const url = server.urlOf(document);
  process.stdout.write(`\n  Fovea is ready:  ${url}\n\n  Ctrl-C stops it.\n\n`);
  if (options.browser) openBrowser(server.openingUrlOf(document));
  const stop = () => void server.close();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, stop);
  await server.closed;
  process.stdout.write('fovea: the lab has stopped\n');
  process.exit(0);
}
