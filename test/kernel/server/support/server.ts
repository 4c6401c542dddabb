import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ServerConnection as Connection, Kernel, ServiceManager } from '@jupyterlab/services';
import { afterAll, beforeAll } from 'vitest';
import { KernelSpecs } from '../../../../kernel/src/server/kernelspecs.js';
import { LabServer, type LabServerOptions } from '../../../../kernel/src/server/server.js';

/** The stock client of JupyterLab, which is CommonJS. */
export const services = createRequire(import.meta.url)(
  '@jupyterlab/services',
) as typeof import('@jupyterlab/services');

const ECHO_KERNEL = fileURLToPath(new URL('echo-kernel.mjs', import.meta.url));

function writeKernelspec(folder: string, name: string, interruptMode: string): void {
  mkdirSync(join(folder, name), { recursive: true });
  const spec = {
    argv: [process.execPath, ECHO_KERNEL, '{connection_file}'],
    display_name: 'Echo',
    language: 'echo',
    interrupt_mode: interruptMode,
  };
  writeFileSync(join(folder, name, 'kernel.json'), JSON.stringify(spec));
  writeFileSync(join(folder, name, 'logo-svg.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>');
}

/** Stand-ins for the built application: one settings schema, one theme, one script, one labextension. */
function writeAssets(folder: string): { app: string; labextensions: string } {
  const app = join(folder, 'app');
  const labextensions = join(folder, 'labextensions');
  const files: Record<string, string> = {
    'app/entry.json': '["main.0123456789abcdef.js"]',
    'app/static/main.0123456789abcdef.js': 'console.log("lab")',
    'app/static/third-party-licenses.json': '{"packages":[{"name":"left-pad"}]}',
    'app/schemas/@test/plugin/package.json.orig': '{"version":"1.2.3"}',
    'app/schemas/@test/plugin/main.json': '{"type":"object","properties":{"size":{"type":"number"}}}',
    'app/themes/@test/theme/index.css': 'body{color:red}',
    'labextensions/@test/ext/package.json':
      '{"name":"@test/ext","version":"0.1.0","jupyterlab":{"_build":{"load":"static/remoteEntry.js","extension":"./extension"}}}',
    'labextensions/@test/ext/static/remoteEntry.js': 'console.log("extension")',
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return { app, labextensions };
}

/** A server on a free port over an empty folder, with the echo kernel installed. */
export interface TestServer {
  readonly lab: LabServer;
  /** The folder that the lab shows. */
  readonly folder: string;
  readonly stateFolder: string;
  readonly origin: string;
  readonly token: string;
  /** Lines that the server logged. */
  readonly log: string[];
  /** Settings for the stock client. */
  readonly settings: Connection.ISettings;
  /** Fetches with the token in the header, unless other headers are given. */
  fetch(path: string, init?: RequestInit): Promise<Response>;
  close(): Promise<void>;
}

/** Starts a server for a test file; close it when done. */
export async function startServer(options: Partial<LabServerOptions> = {}): Promise<TestServer> {
  const base = mkdtempSync(join(tmpdir(), 'fovea-server-'));
  const folder = options.folder ?? join(base, 'work');
  mkdirSync(folder, { recursive: true });
  writeKernelspec(join(base, 'kernels'), 'echo', 'message');
  writeKernelspec(join(base, 'kernels'), 'echo-signal', 'signal');
  const log: string[] = [];
  const lab = await LabServer.start({
    port: 0,
    stateFolder: join(base, 'state'),
    kernelspecs: new KernelSpecs(() => [join(base, 'kernels')]),
    assets: writeAssets(join(base, 'assets')),
    deleteToTrash: false,
    log: (line) => log.push(line),
    ...options,
    folder,
  });
  const { origin, token } = lab;
  return {
    lab,
    folder,
    stateFolder: join(base, 'state'),
    origin,
    token,
    log,
    settings: services.ServerConnection.makeSettings({
      baseUrl: `${origin}/`,
      appUrl: '/lab',
      wsUrl: `${origin.replace('http', 'ws')}/`,
      token,
      appendToken: true,
    }),
    fetch: (path, init = {}) =>
      fetch(`${origin}${path}`, {
        redirect: 'manual',
        headers: { Authorization: `token ${token}` },
        ...init,
      }),
    async close() {
      await lab.close();
      rmSync(base, { recursive: true, force: true });
    },
  };
}

/** A server and JupyterLab's stock client of it, for all tests of a file: started before them, ended after them. */
export function serverWithClient() {
  let server: TestServer;
  let manager: ServiceManager;
  beforeAll(async () => {
    server = await startServer();
    manager = new services.ServiceManager({ serverSettings: server.settings, standby: 'never' });
    await manager.ready;
  });
  afterAll(async () => {
    manager.dispose();
    await server.close();
  });
  return {
    get server() {
      return server;
    },
    get manager() {
      return manager;
    },
    /** Starts a kernel that answers. */
    async startKernel(name = 'echo'): Promise<Kernel.IKernelConnection> {
      const kernel = await manager.kernels.startNew({ name });
      await kernel.info;
      return kernel;
    },
  };
}
