import { join } from 'node:path';
import { FoveaError } from '@fovea/engine';
import { parameters } from '../../launcher/options.js';
import { FOVEA_COMMAND, foveaSpec, type KernelSpec } from '../../server/kernelspecs.js';
import { callsFovea } from './installation.js';

/** Programs that start kernels on other machines: Enterprise Gateway, and gateway_provisioners in a Jupyter server. */
export type Gateway = 'eg' | 'gp';

/** Options for the machines of a gateway's kernels. */
export interface GatewayOptions {
  /** Hosts, separated by commas; those of the gateway's own configuration unless given. */
  readonly remoteHosts?: string;
  /** How those hosts start Fovea; as this machine does unless given. */
  readonly remoteCommand?: string;
}

/** Reads `--gateway`. @throws FoveaError `bad-argument` for anything but `eg` and `gp` */
export function parseGateway(text: string): Gateway {
  if (text === 'eg' || text === 'gp') return text;
  throw new FoveaError(
    'bad-argument',
    `--gateway ${text}: eg (Enterprise Gateway) or gp (gateway_provisioners) is accepted`,
  );
}

/** Folder of a gateway's kernelspec in one of Jupyter's data folders. */
export const gatewaySpecFolder = (dataFolder: string, gateway: Gateway): string =>
  join(dataFolder, 'kernels', `fovea-${gateway}`);

/**
 * The kernelspec with which a gateway starts `fovea launcher` on other hosts, over ssh.
 * @throws FoveaError `bad-argument` for a command that does not call Fovea, or a list with an empty host
 */
export function gatewaySpec(gateway: Gateway, options: GatewayOptions = {}): KernelSpec {
  const hosts = parseHosts(options.remoteHosts);
  const { kernelId, responseAddress, publicKey, portRange, transportEncryption } = parameters;
  const common = [kernelId, responseAddress, publicKey, portRange];
  const passed = gateway === 'eg' ? common : [...common, transportEncryption];
  const prefix = gateway === 'eg' ? '--RemoteProcessProxy.' : '--';
  const { language, interrupt_mode, kernel_protocol_version, metadata } = foveaSpec() as Required<KernelSpec>;
  const starter =
    gateway === 'eg'
      ? {
          process_proxy: {
            class_name: 'enterprise_gateway.services.processproxies.distributed.DistributedProcessProxy',
            config: hosts && { remote_hosts: hosts.join(',') },
          },
        }
      : {
          kernel_provisioner: {
            provisioner_name: 'distributed-provisioner',
            config: hosts && { remote_hosts: hosts },
          },
        };
  return {
    argv: [
      ...parseCommand(options.remoteCommand),
      'launcher',
      ...passed.flatMap(({ option }) => [`${prefix}${option}`, `{${option.replaceAll('-', '_')}}`]),
    ],
    display_name: 'Fovea (TypeScript, remote)',
    language,
    interrupt_mode,
    kernel_protocol_version,
    metadata: { ...metadata, ...starter },
  };
}

function parseHosts(text: string | undefined): readonly string[] | undefined {
  const hosts = text?.split(',').map((host) => host.trim());
  if (hosts?.some((host) => !/^[\w.:-]+$/.test(host))) {
    throw new FoveaError(
      'bad-argument',
      `--remote-hosts ${text}: host names separated by commas are accepted`,
    );
  }
  return hosts;
}

function parseCommand(text: string | undefined): readonly string[] {
  if (text === undefined) return FOVEA_COMMAND;
  const words = text.trim().split(/\s+/);
  if (callsFovea(words.at(-1))) return words;
  throw new FoveaError(
    'bad-argument',
    `--remote-command ${text}: a command that ends in fovea or fovea.js is accepted, as "node /opt/fovea/kernel/bin/fovea.js"`,
  );
}
