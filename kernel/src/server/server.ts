import { createServer, type Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { makeFolder } from '@fovea/engine/files';
import { version } from '../version.js';
import { registerConfig } from './config.js';
import { type ConnectionLimits, Connections } from './connections.js';
import { ContentsRoot } from './contents/paths.js';
import { ContentsService } from './contents/routes.js';
import { NotebookTrust } from './contents/trust.js';
import { Dispatcher } from './dispatch.js';
import { registerFiles } from './files.js';
import { Router } from './http/router.js';
import { registerIdentity } from './identity.js';
import { stateFolder as defaultStateFolder } from './jupyter-paths.js';
import { KernelPlaces } from './kernel-places.js';
import { removeAbandonedConnections } from './kernels/connection-file.js';
import { KernelManager } from './kernels/manager.js';
import type { OutputLimits } from './kernels/output-limits.js';
import { KernelSpecs } from './kernelspecs.js';
import { findAssets, type LabAssets } from './lab/assets.js';
import { findLabextensions } from './lab/labextensions.js';
import { registerLab } from './lab/routes.js';
import { registerNbconvert } from './nbconvert.js';
import { registerPathResolver } from './resolve-path.js';
import { TrustedProxies } from './security/addresses.js';
import { LoginCookies } from './security/cookies.js';
import { Guard } from './security/guard.js';
import { HostCheck, isLoopback } from './security/hosts.js';
import { keptSecret } from './security/kept-secret.js';
import { registerLogin } from './security/login.js';
import { registerLogout } from './security/logout.js';
import { randomSecret } from './security/token.js';
import { SessionManager } from './sessions.js';
import { registerSpecification } from './specification.js';
import { registerStatus } from './status.js';
import { TerminalManager } from './terminals/manager.js';
import { WebSockets } from './websockets.js';

/** How a lab server is set up; everything has a default that is safe on one's own machine. */
export interface LabServerOptions {
  /** Folder that the lab shows. */
  readonly folder: string;
  /** Address to listen on; anything but loopback lets other machines in. */
  readonly ip?: string;
  /** Port to listen on; 0 takes any free one. */
  readonly port?: number;
  /** How many further ports are tried when that one is taken. */
  readonly portRetries?: number;
  /** Access token; random unless given, empty to switch authentication off. */
  readonly token?: string;
  /** Host names that are answered besides the loopback ones. */
  readonly allowHosts?: readonly string[];
  /** Path below which everything is served, as `/fovea`; the root of the host unless given. */
  readonly baseUrl?: string;
  /** Addresses or networks of proxies whose `X-Forwarded-…` headers are believed. */
  readonly trustProxies?: readonly string[];
  /** Where settings, layouts and runtime files are kept. */
  readonly stateFolder?: string;
  /** Offers terminals; by default only when the lab can be reached from this machine alone. */
  readonly terminals?: boolean;
  /** Shows names that start with a dot. */
  readonly allowHidden?: boolean;
  /** Follows symbolic links that lead out of the folder. */
  readonly followLinks?: boolean;
  /** Moves what is deleted to the trash of the system, which is the default. */
  readonly deleteToTrash?: boolean;
  /** Folders with further prebuilt labextensions. */
  readonly labextensions?: readonly string[];
  /** Built application and extension; found beside this package unless given. */
  readonly assets?: LabAssets;
  /** Where kernelspecs are; Jupyter's own search path unless given. */
  readonly kernelspecs?: KernelSpecs;
  readonly outputLimits?: OutputLimits;
  /** How long clients may hold connections that lead to nothing. */
  readonly connectionLimits?: ConnectionLimits;
  /** Leaves the application in `window.jupyterapp`, for tests. */
  readonly exposeApp?: boolean;
  /** Called with lines for the terminal. */
  readonly log?: (line: string) => void;
}

/** How often the limits of time on connections are looked at. */
const CONNECTIONS_CHECK_MS = 2000;

const OPEN_TO_OTHERS =
  'no token is set: anyone who reaches this address can run programs as you; --token or $JUPYTER_TOKEN sets one';

/** A running lab server. */
export class LabServer {
  /** Resolves when the server was shut down, from outside or from the lab's own menu. */
  readonly closed: Promise<void>;
  private resolveClosed: () => void = () => undefined;
  private closing: Promise<void> | undefined;

  private constructor(
    private readonly server: Server,
    private readonly parts: {
      readonly kernels: KernelManager;
      readonly contents: ContentsService;
      readonly sockets: WebSockets;
      readonly terminals: TerminalManager;
      readonly guard: Guard;
    },
    /** `http://host:port`, without a trailing slash. */
    readonly origin: string,
    /** Path below which everything is served, without a trailing slash; empty for all of the host. */
    readonly base: string,
    /** The access token; empty without authentication. */
    readonly token: string,
  ) {
    this.closed = new Promise((resolve) => {
      this.resolveClosed = resolve;
    });
  }

  /**
   * Starts a server; resolves when it listens.
   * @throws FoveaError `bad-argument` for a folder that does not exist, a base path or a proxy that is none; `io`
   *   when no port is free, or the state folder cannot be written
   */
  static async start(options: LabServerOptions): Promise<LabServer> {
    const { ip = '127.0.0.1', port = 8888, portRetries = 50, token = randomSecret() } = options;
    const { stateFolder = defaultStateFolder(), log = () => undefined } = options;
    const { allowHidden = false, followLinks = false, deleteToTrash = true } = options;
    const router = new Router(parseBaseUrl(options.baseUrl ?? '/'));
    const proxies = new TrustedProxies(options.trustProxies ?? []);
    const assets = options.assets ?? findAssets();
    const root = await ContentsRoot.open(options.folder, { allowHidden, followLinks }).catch(() => {
      throw new FoveaError('bad-argument', `${options.folder} is not a folder`);
    });
    const { secret, trust } = await openState(stateFolder, log);
    const runtimeFolder = join(stateFolder, 'runtime');
    await removeAbandonedConnections(runtimeFolder);
    const places = new KernelPlaces(root);
    const others = [...(options.allowHosts ?? []), ...(options.trustProxies ?? [])];
    const isShared = !isLoopback(ip) || others.length > 0;
    const terminals = await TerminalManager.open(places, options.terminals ?? !isShared);
    // From the moment that it listens until it answers, nothing is awaited: a request in between would be lost.
    const http = createServer({ connectionsCheckingInterval: CONNECTIONS_CHECK_MS });
    const connections = new Connections(http, options.connectionLimits);
    const bound = await listen(http, ip, port, portRetries);
    const hosts = new HostCheck(ip, options.allowHosts ?? []);
    const cookies = new LoginCookies(bound, { token, secret }, router.base);
    const guard = new Guard(token, cookies, hosts, proxies);
    const specs = options.kernelspecs ?? new KernelSpecs();
    const kernels = new KernelManager(specs, {
      folder: root.folder,
      runtimeFolder,
      log,
      ...(options.outputLimits ? { limits: options.outputLimits } : {}),
    });
    const contents = new ContentsService(root, trust, { deleteToTrash });
    const sockets = new WebSockets(guard, kernels, terminals, router, connections, log);
    const isAny = isLoopback(ip) || ip === '0.0.0.0' || ip === '::';
    const shownHost = isAny ? 'localhost' : isIPv6(ip) ? hostname() : ip;
    const parts = { kernels, contents, sockets, terminals, guard };
    if (isShared && token === '') log(OPEN_TO_OTHERS);
    const lab = new LabServer(http, parts, `http://${shownHost}:${bound}`, router.base, token);

    registerLogin(router, guard);
    registerLogout(router, guard);
    registerLab(router, guard, {
      assets,
      labextensions: () => findLabextensions([assets.labextensions, ...(options.labextensions ?? [])]),
      version,
      rootFolder: root.folder,
      exposeApp: options.exposeApp ?? false,
      allowHidden,
      deleteToTrash,
      terminals: terminals.isAvailable,
      stateFolder: join(stateFolder, 'lab'),
    });
    registerStatus(router, kernels, () => void lab.close());
    registerIdentity(router);
    registerSpecification(router);
    registerPathResolver(router, root, kernels);
    registerConfig(router, stateFolder);
    specs.register(router);
    kernels.register(router, places);
    terminals.register(router);
    new SessionManager(kernels, places).register(router);
    contents.register(router);
    registerFiles(router, root);
    registerNbconvert(router, root);

    const dispatcher = new Dispatcher(router, guard, connections, log);
    http.on('request', (request, response) => void dispatcher.handle(request, response));
    http.on('upgrade', (request, socket, head) => sockets.handle(request, socket, head));
    return lab;
  }

  /** The running kernels. */
  get kernels(): KernelManager {
    return this.parts.kernels;
  }

  /** Address to open in a browser; carries the token. */
  get url(): string {
    return this.urlOf('');
  }

  /** Address that opens a document, given by its path below the folder. */
  urlOf(path: string): string {
    return this.addressOf(path, 'token', this.token);
  }

  /** The same for the browser that is opened now: it carries a ticket in the place of the token, and logs in once. */
  openingUrlOf(path: string): string {
    return this.addressOf(path, 'ticket', this.parts.guard.ticket.text);
  }

  private addressOf(path: string, name: string, secret: string): string {
    const tree = path === '' ? '' : `/tree/${path.split('/').map(encodeURIComponent).join('/')}`;
    return `${this.origin}${this.base}/lab${tree}${this.token === '' ? '' : `?${name}=${secret}`}`;
  }

  /** Ends all kernels and connections and stops listening; resolves when all have ended. */
  close(): Promise<void> {
    this.closing ??= this.shutDown();
    return this.closing;
  }

  private async shutDown(): Promise<void> {
    const { kernels, contents, sockets, terminals } = this.parts;
    const stopped = new Promise((resolve) => this.server.close(resolve));
    await kernels.dispose();
    await terminals.dispose();
    await contents.dispose();
    sockets.dispose();
    this.server.closeIdleConnections();
    setTimeout(() => this.server.closeAllConnections(), 500).unref();
    await stopped;
    this.resolveClosed();
  }
}

/**
 * Reads a base path, with or without slashes around it.
 * @returns it with a leading and without a trailing slash; empty for the root
 * @throws FoveaError `bad-argument` for what is no path of plain names
 */
export function parseBaseUrl(text: string): string {
  const names = text.split('/').filter(Boolean);
  if (names.some((name) => !/^[\w.~-]+$/.test(name) || /^\.+$/.test(name))) {
    throw new FoveaError(
      'bad-argument',
      `Base URL ${text}: a path of letters, digits and - . _ ~, as /fovea/, is accepted`,
    );
  }
  return names.map((name) => `/${name}`).join('');
}

/** What of the lab outlives it, apart from settings. */
async function openState(folder: string, log: (line: string) => void) {
  try {
    makeFolder(folder, 0o700);
    return {
      secret: await keptSecret(join(folder, 'login-secret')),
      trust: await NotebookTrust.open(folder, log),
    };
  } catch (error) {
    const { message } = error as Error;
    throw new FoveaError(
      'io',
      `The lab's state cannot be kept in ${folder}: ${message}; FOVEA_STATE_DIR names another folder`,
      { cause: error },
    );
  }
}

/** Listens on the first free port from `port` on; resolves to it. */
async function listen(server: Server, ip: string, port: number, retries: number): Promise<number> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(port === 0 ? 0 : port + attempt, ip, () => {
          server.off('error', reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && port !== 0 && attempt < retries) continue;
      throw new FoveaError('io', `Cannot listen on ${ip}:${port}: ${message}`, { cause: error });
    }
  }
}
