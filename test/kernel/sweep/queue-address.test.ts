import { describe, expect, it } from 'vitest';
import { queueOptions } from '../../../kernel/src/sweep/queue/queue-address.js';
import { asQueueError, QueueUnreachable } from '../../../kernel/src/sweep/queue/queue-errors.js';

describe('the address of a queue', () => {
  it('has a user, a password with escaped characters, a port and a database', () => {
    expect(queueOptions('redis://fovea:a%23b%2Fc%40@head:6380/3')).toEqual({
      host: 'head',
      port: 6380,
      username: 'fovea',
      password: 'a#b/c@',
      db: 3,
    });
  });

  it.each(['se#cret', 'se/cret', 'se?cret', 'se%cret', '12/secret', '12?secret', '12#secret', 'secret:@:'])(
    'never shows a password that it cannot read: %s',
    (password) => {
      const read = () => queueOptions(`redis://fovea:${password}@head:x`);
      expect(read).toThrow(/^queue redis:\/\/…@head:x: .* %23 %2F %3F %40 %3A %25$/);
    },
  );

  it.each([
    ['head:6379', /^queue head:\/\/6379: redis:\/\/host:port or rediss/],
    ['redis://head/x', /\/x is not the number of a database/],
    ['rediss://head?crt=a', /parameter "crt"; ca, cert, key are accepted/],
    ['redis://head?ca=/home/a@b/ca.crt', /certificates are for rediss:\/\/ addresses/],
  ])('names what is wrong with %s', (address, message) => {
    expect(() => queueOptions(address)).toThrow(message);
  });
});

describe('what a failed connection is said to be', () => {
  const error = (code: string, message: string) => Object.assign(new Error(message), { code });
  const alert = (name: string) => `error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert ${name}:x.c:1`;
  const [file, client] = [Buffer.from('a'), { cert: Buffer.from('a') }];

  it.each([
    ['CERT_HAS_EXPIRED', 'certificate has expired', {}, /its certificate has expired$/],
    ['CERT_NOT_YET_VALID', 'certificate is not yet valid', {}, /is not valid yet, by the clock/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unable to verify the first certificate', {}, /\?ca=FILE names one$/],
    ['SELF_SIGNED_CERT_IN_CHAIN', 'self-signed', { ca: file }, /is not from the authority that ca names$/],
    ['ERR_SSL_TLSV13', alert('certificate required'), {}, /asks for a client certificate, which \?cert=FILE/],
    ['ERR_SSL_TLSV1', alert('unknown ca'), client, /does not accept the client certificate that cert names$/],
  ])('for good: %s', (code, message, tls, expected) => {
    const found = asQueueError('rediss://head', { tls }, error(code, message));
    expect(found).not.toBeInstanceOf(QueueUnreachable);
    expect(found.message).toMatch(/^queue rediss:\/\/head cannot be spoken to over TLS: /);
    expect(found.message).toMatch(expected);
  });

  it.each([
    ['ECONNRESET', undefined, /if it speaks TLS alone, its address begins with rediss:\/\/$/],
    ['ECONNRESET', {}, /if it asks for a client certificate, \?cert=FILE&key=FILE name it$/],
    ['ECONNRESET', client, /it closes the connection$/],
    ['ETIMEDOUT', {}, /if it does not speak TLS, its address begins with redis:\/\/$/],
    ['ECONNREFUSED', {}, /nothing listens there$/],
  ])('for now: %s with TLS %o', (code, tls, expected) => {
    const found = asQueueError('head', tls ? { tls } : {}, error(code, 'x'));
    expect(found).toBeInstanceOf(QueueUnreachable);
    expect(found.message).toMatch(expected);
  });
});
