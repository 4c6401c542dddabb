import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { readLaunchOptions } from '../../../kernel/src/launcher/options.js';

const base64 = (kind: 'rsa' | 'ed25519') => {
  const { publicKey } =
    kind === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ed25519');
  return publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
};
const key = base64('rsa');
const given = { 'kernel-id': 'k1', 'response-address': '10.0.0.1:8877', 'public-key': key };

const read = (more: Record<string, string> = {}, env: Record<string, string> = {}) =>
  readLaunchOptions(new Map(Object.entries({ ...given, ...more })), env);

describe('what a gateway asks of the launcher', () => {
  it('is read from options', () => {
    const { kernelId, response, ports, encrypted, publicKey } = read();
    expect({ kernelId, response, ports, encrypted, type: publicKey.asymmetricKeyType }).toEqual({
      kernelId: 'k1',
      response: { host: '10.0.0.1', port: 8877 },
      ports: { low: 0, high: 0 },
      encrypted: false,
      type: 'rsa',
    });
  });

  it('is read from the environment where no option says it, the first variable that is set', () => {
    const env = {
      KERNEL_ID: 'k2',
      EG_RESPONSE_ADDRESS: ' host:1 ',
      PUBLIC_KEY: key,
      PORT_RANGE: '40000..40005',
    };
    const options = readLaunchOptions(new Map([['kernel-id', '{kernel_id}']]), env);
    expect(options).toMatchObject({
      kernelId: 'k2',
      response: { host: 'host', port: 1 },
      ports: { low: 40_000, high: 40_005 },
    });
    expect(read({}, { KERNEL_ID: 'k2' }).kernelId).toBe('k1');
  });

  it('may name an address of IPv6, in brackets', () => {
    expect(read({ 'response-address': '[::1]:65535' }).response).toEqual({ host: '::1', port: 65_535 });
  });

  it.each([
    ['auto', true],
    ['Required', true],
    ['disabled', false],
    ['', false],
  ])('encrypts as "%s" says: %s', (policy, encrypted) => {
    expect(read({ 'transport-encryption': policy }).encrypted).toBe(encrypted);
  });

  it.each<[string, string, RegExp]>([
    ['response-address', '::1:80', /--response-address ::1:80: HOST:PORT is accepted/],
    ['response-address', 'host:0', /host:0: HOST:PORT/],
    ['response-address', 'host:65536', /HOST:PORT/],
    ['response-address', '', /Neither --response-address nor RESPONSE_ADDRESS is given/],
    ['public-key', 'no key', /--public-key no key…: an RSA key/],
    ['public-key', base64('ed25519'), /an RSA key \(SPKI, DER\) in Base64 is accepted/],
    ['port-range', '40000..40004', /with at least 6 ports is accepted/],
    ['port-range', '0..40000', /--port-range 0\.\.40000: LOW\.\.HIGH from 1/],
    ['port-range', '40010..40000', /LOW\.\.HIGH/],
    ['port-range', '65530..70000', /LOW\.\.HIGH/],
    ['port-range', '40000', /LOW\.\.HIGH/],
    ['transport-encryption', 'yes', /--transport-encryption yes: auto, required or disabled/],
  ])('is refused: --%s %s', (option, text, message) => {
    expect(() => read({ [option]: text })).toThrow(message);
  });

  it('takes the same port twice for any', () => {
    expect(read({ 'port-range': '0..0' }).ports).toEqual({ low: 0, high: 0 });
  });
});
