import { FoveaError } from '@fovea/engine/errors';
import type { RedisOptions } from 'ioredis';

/** No server answers at the address of a queue at the moment; unlike refused credentials, that may pass. */
export class QueueUnreachable extends FoveaError {
  constructor(message: string, options?: ErrorOptions) {
    super('io', message, options);
  }
}

/** Why there is no answer, by the system's code. */
const unreachable: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'there is no such host',
  EAI_AGAIN: 'the name cannot be looked up',
  ETIMEDOUT: 'no answer in time',
  ECONNRESET: 'it closes the connection',
  EPIPE: 'it closes the connection',
  EHOSTUNREACH: 'no way leads there',
  ENETUNREACH: 'no way leads there',
};

/** Codes of certificates that come from an authority which is not known here. */
const unknownAuthority =
  /^(SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER_CERT(_LOCALLY)?|VERIFY_LEAF_SIGNATURE))$/;

type Tls = { readonly ca?: unknown; readonly cert?: unknown } | undefined;

/**
 * Why a connection did not come about.
 * @param options how it was tried
 */
export function asQueueError(
  name: string,
  options: RedisOptions,
  ...errors: readonly [Error, ...Error[]]
): FoveaError {
  const text = errors.map(({ message }) => message).join(' ');
  const code = errors.map((error) => (error as NodeJS.ErrnoException).code).find((each) => each) ?? '';
  const [said] = errors[0].message.split('\n');
  const tls = options.tls as Tls;
  const refused = (reason: string) => new FoveaError('io', `queue ${name} ${reason}`, { cause: errors[0] });
  if (/WRONGPASS|NOAUTH|invalid username-password|called without any password/i.test(text))
    return refused(
      `refuses these credentials${options.password === undefined ? ': there is no password, in the address or in FOVEA_QUEUE_PASSWORD' : ''}`,
    );
  if (/NOPERM/.test(text))
    return refused(
      `lets this account not use keys that begin with fovea: (${text.replace(/^.*NOPERM/, 'NOPERM').split('\n')[0]})`,
    );
  if (/certificate|SSL|TLS|alert/i.test(text) || /CERT|SSL|TLS|SIGNATURE/.test(code))
    return refused(`cannot be spoken to over TLS: ${tlsReason(code, text, tls) ?? said}`);
  const passing = /Connection is closed|LOADING|max number of clients/.test(text);
  if (!(code in unreachable) && !passing) return refused(`cannot be used: ${said}`);
  return new QueueUnreachable(
    `queue ${name} cannot be reached: ${unreachable[code] ?? said}${protocolHint(code, tls)}`,
    { cause: errors[0] },
  );
}

/** What is wrong with the certificates, and what mends it. */
function tlsReason(code: string, text: string, tls: Tls): string | undefined {
  if (unknownAuthority.test(code))
    return tls?.ca
      ? 'its certificate is not from the authority that ca names'
      : 'its certificate is from an authority that this machine does not know; ?ca=FILE names one';
  if (code === 'CERT_HAS_EXPIRED') return 'its certificate has expired';
  if (code === 'CERT_NOT_YET_VALID') return 'its certificate is not valid yet, by the clock of this machine';
  if (/certificate required|handshake failure/i.test(text) && !tls?.cert)
    return 'it asks for a client certificate, which ?cert=FILE&key=FILE name';
  if (/alert (unknown ca|bad certificate|certificate expired|certificate unknown)/i.test(text) && tls?.cert)
    return 'it does not accept the client certificate that cert names';
  return undefined;
}

/** A server that is spoken to in the wrong way closes the connection or waits for more, without a reason. */
function protocolHint(code: string, tls: Tls): string {
  const isClosed = code === 'ECONNRESET' || code === 'EPIPE';
  if (isClosed && !tls) return '; if it speaks TLS alone, its address begins with rediss://';
  if (isClosed && !tls?.cert) return '; if it asks for a client certificate, ?cert=FILE&key=FILE name it';
  return code === 'ETIMEDOUT' && tls ? '; if it does not speak TLS, its address begins with redis://' : '';
}

/** The error for somebody who watches a sweep of which another process has changed the space. */
export const changedElsewhere = (sweep: string): FoveaError =>
  new FoveaError(
    'aborted',
    `sweep ${sweep} was started elsewhere with a space that leaves out points of this one; what has ended is kept. Starting it again continues this space in the place of that one, and under another name beside it`,
  );
