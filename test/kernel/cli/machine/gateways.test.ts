// @module-tag process
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { gatewaySpec } from '../../../../kernel/src/cli/machine/gateways.js';
import { installPaths } from '../../../../kernel/src/cli/machine/installation.js';
import { KernelSpecs } from '../../../../kernel/src/server/kernelspecs.js';
import { fovea as run } from '../run-fovea.js';

describe('the kernelspec of a gateway', () => {
  it('calls the launcher as Enterprise Gateway passes its values', () => {
    const { argv, metadata, interrupt_mode } = gatewaySpec('eg', {
      remoteHosts: 'one, two.example.org',
      remoteCommand: 'node /opt/fovea/kernel/bin/fovea.js',
    });
    expect(argv).toEqual([
      ...['node', '/opt/fovea/kernel/bin/fovea.js', 'launcher'],
      ...['--RemoteProcessProxy.kernel-id', '{kernel_id}'],
      ...['--RemoteProcessProxy.response-address', '{response_address}'],
      ...['--RemoteProcessProxy.public-key', '{public_key}'],
      ...['--RemoteProcessProxy.port-range', '{port_range}'],
    ]);
    expect(interrupt_mode).toBe('message');
    expect(metadata).toEqual({
      debugger: true,
      supported_encryption: ['curve'],
      process_proxy: {
        class_name: 'enterprise_gateway.services.processproxies.distributed.DistributedProcessProxy',
        config: { remote_hosts: 'one,two.example.org' },
      },
    });
  });

  it('calls the launcher as gateway_provisioners passes its values, encryption last as it may be empty', () => {
    const { argv, metadata } = gatewaySpec('gp');
    expect(argv.slice(0, 3)).toEqual([
      process.execPath,
      expect.stringMatching(/bin\/fovea\.js$/),
      'launcher',
    ]);
    expect(argv.slice(-4)).toEqual([
      '--port-range',
      '{port_range}',
      '--transport-encryption',
      '{transport_encryption}',
    ]);
    expect(metadata).toMatchObject({ kernel_provisioner: { provisioner_name: 'distributed-provisioner' } });
  });

  it.each([
    [{ remoteHosts: 'a,,b' }, /--remote-hosts a,,b: host names/],
    [{ remoteHosts: 'a;reboot' }, /--remote-hosts a;reboot: host names/],
    [{ remoteCommand: 'node' }, /--remote-command node: a command that ends in fovea/],
  ])('%o is refused', (options, message) => {
    expect(() => gatewaySpec('eg', options)).toThrow(message);
  });
});

describe('fovea install --gateway', () => {
  let base: string;
  const folder = (gateway: string) => join(base, 'share/jupyter/kernels', `fovea-${gateway}`);
  const fovea = (...words: string[]) => run(...words, '--prefix', base);

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'fovea-gateways-'));
  });
  afterEach(() => rmSync(base, { recursive: true, force: true }));

  it('writes that kernelspec alone, and uninstall takes it away', async () => {
    await fovea('install', '--gateway', 'gp', '--remote-hosts', 'a,b');
    expect(existsSync(installPaths(join(base, 'share/jupyter')).labextension)).toBe(false);
    const spec = JSON.parse(readFileSync(join(folder('gp'), 'kernel.json'), 'utf8'));
    expect(spec).toEqual(gatewaySpec('gp', { remoteHosts: 'a,b' }));
    expect(existsSync(join(folder('gp'), 'logo-svg.svg'))).toBe(true);
    await fovea('install', '--gateway', 'eg');
    await fovea('uninstall', '--gateway', 'gp');
    expect([existsSync(folder('gp')), existsSync(folder('eg'))]).toEqual([false, true]);
  });

  it("leaves somebody else's kernel alone", async () => {
    mkdirSync(folder('eg'), { recursive: true });
    writeFileSync(join(folder('eg'), 'kernel.json'), '{"argv":["python","launcher.py"]}');
    expect((await fovea('install', '--gateway', 'eg')).stderr).toContain('holds another kernel');
    await fovea('uninstall', '--gateway', 'eg');
    expect(existsSync(folder('eg'))).toBe(true);
  });

  it('refuses gateways that it does not know, and hosts without one', async () => {
    expect((await fovea('install', '--gateway', 'x')).stderr).toContain(
      '--gateway x: eg (Enterprise Gateway)',
    );
    expect((await fovea('install', '--remote-hosts', 'a')).stderr).toContain('with --gateway only');
    expect(existsSync(join(base, 'share'))).toBe(false);
  });
});

it('the lab offers no kernel that only a gateway can start', async () => {
  const base = mkdtempSync(join(tmpdir(), 'fovea-specs-'));
  const specs = {
    here: { metadata: { kernel_provisioner: { provisioner_name: 'local-provisioner' } } },
    plain: {},
    proxied: {
      metadata: {
        process_proxy: {
          class_name: 'enterprise_gateway.services.processproxies.processproxy.LocalProcessProxy',
        },
      },
    },
    eg: gatewaySpec('eg'),
    gp: gatewaySpec('gp'),
  };
  for (const [name, spec] of Object.entries(specs)) {
    mkdirSync(join(base, name));
    const content = { argv: ['x'], display_name: name, language: 'x', ...spec };
    writeFileSync(join(base, name, 'kernel.json'), JSON.stringify(content));
  }
  const found = await new KernelSpecs(() => [base]).all();
  expect([...found.keys()]).toEqual(['fovea', 'here', 'plain', 'proxied']);
  rmSync(base, { recursive: true });
});
