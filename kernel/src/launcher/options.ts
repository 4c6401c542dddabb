import { createPublicKey, type KeyObject } from 'node:crypto';
import { FoveaError } from '@fovea/engine/errors';

/** What a gateway asks of the launcher of a kernel. */
export interface LaunchOptions {
  readonly kernelId: string;
  /** Where the gateway waits for the connection information. */
  readonly response: { readonly host: string; readonly port: number };
  /** RSA key of the gateway. */
  readonly publicKey: KeyObject;
  readonly ports: PortRange;
  /** Whether the kernel's messages are to be encrypted with CurveZMQ. */
  readonly encrypted: boolean;
}

/** Ports from `low` to `high`, both included; the same number twice means any port. */
export interface PortRange {
  readonly low: number;
  readonly high: number;
}

/** Ports that a kernel needs: five channels, and the one on which the gateway sends signals. */
const PORT_COUNT = 6;

interface Parameter {
  /** The option, as gateways put it into a kernelspec's argv. */
  readonly option: string;
  /** The variables in which containers are given the same, the first that is set counts. */
  readonly variables: readonly string[];
  readonly description: string;
}

/** Settings of `fovea launcher`, from options or the environment. */
export const parameters = {
  kernelId: {
    option: 'kernel-id',
    variables: ['KERNEL_ID'],
    description: 'id of the kernel at the gateway',
  },
  responseAddress: {
    option: 'response-address',
    variables: ['RESPONSE_ADDRESS', 'EG_RESPONSE_ADDRESS'],
    description: 'HOST:PORT where the gateway waits for the connection information',
  },
  publicKey: {
    option: 'public-key',
    variables: ['PUBLIC_KEY', 'EG_PUBLIC_KEY'],
    description: "the gateway's RSA key, which the connection information is encrypted with",
  },
  portRange: {
    option: 'port-range',
    variables: ['PORT_RANGE', 'EG_PORT_RANGE'],
    description: 'LOW..HIGH, ports to listen on; 0..0 for any',
  },
  transportEncryption: {
    option: 'transport-encryption',
    variables: ['TRANSPORT_ENCRYPTION'],
    description: 'auto or required: encrypt messages with CurveZMQ; disabled for plain ones',
  },
} as const satisfies Record<string, Parameter>;

/**
 * Reads what a gateway asks for.
 *
 * @param given the options of the command line by name, without `--`
 * @param env the environment, for what no option says
 * @throws FoveaError `bad-argument` that names the option and its variables, and what is accepted
 */
export function readLaunchOptions(
  given: ReadonlyMap<string, string>,
  env: Readonly<Record<string, string | undefined>>,
): LaunchOptions {
  const read = ({ option, variables }: Parameter): string => {
    const texts = [given.get(option), ...variables.map((name) => env[name])];
    // A server that does not know a placeholder of the kernelspec leaves it as it is.
    return texts.find((text) => text?.trim() && !/^\{\w+\}$/.test(text))?.trim() ?? '';
  };
  const required = (parameter: Parameter): string => {
    const text = read(parameter);
    if (text) return text;
    throw new FoveaError(
      'bad-argument',
      `Neither --${parameter.option} nor ${parameter.variables[0]} is given; a gateway that starts this launcher passes one of them`,
    );
  };
  return {
    kernelId: required(parameters.kernelId),
    response: parseAddress(required(parameters.responseAddress)),
    publicKey: parsePublicKey(required(parameters.publicKey)),
    ports: parsePortRange(read(parameters.portRange)),
    encrypted: parseEncryption(read(parameters.transportEncryption)),
  };
}

const isPort = (port: number) => Number.isInteger(port) && port > 0 && port <= 65_535;

function parseAddress(text: string): LaunchOptions['response'] {
  const [, bracketed, plain, digits] = /^(?:\[(.+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  if (host === undefined || !isPort(Number(digits))) {
    throw new FoveaError('bad-argument', `--response-address ${text}: HOST:PORT is accepted`);
  }
  return { host, port: Number(digits) };
}

function parsePublicKey(text: string): KeyObject {
  let key: KeyObject | undefined;
  try {
    key = createPublicKey({ key: Buffer.from(text, 'base64'), format: 'der', type: 'spki' });
  } catch {
    // Said below, as for keys of other kinds.
  }
  if (key?.asymmetricKeyType !== 'rsa') {
    throw new FoveaError(
      'bad-argument',
      `--public-key ${text.slice(0, 24)}…: an RSA key (SPKI, DER) in Base64 is accepted`,
    );
  }
  return key;
}

function parsePortRange(text: string): PortRange {
  const [, low, high] = (/^(\d{1,5})\.\.(\d{1,5})$/.exec(text || '0..0') ?? []).map(Number);
  const isAny = low !== undefined && low === high;
  if (!isAny && !(isPort(low!) && isPort(high!) && high! - low! + 1 >= PORT_COUNT)) {
    throw new FoveaError(
      'bad-argument',
      `--port-range ${text}: LOW..HIGH from 1 to 65535 with at least ${PORT_COUNT} ports is accepted, or 0..0 for any`,
    );
  }
  return { low: low!, high: high! };
}

function parseEncryption(text: string): boolean {
  const policy = text.toLowerCase();
  if (['', 'disabled', 'auto', 'required'].includes(policy))
    return policy === 'auto' || policy === 'required';
  throw new FoveaError(
    'bad-argument',
    `--transport-encryption ${text}: auto, required or disabled is accepted`,
  );
}
