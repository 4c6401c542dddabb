import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { KernelMessage } from '@jupyterlab/services';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  FOVEA,
  freePort,
  jupyterEnvironment,
  labEnvironment,
  pythonEnvironment,
  ROOT,
  run,
} from './support/python-environment.js';

const programs = await labEnvironment();
/** In an environment of its own, because it needs an older jupyter_client than JupyterLab does. */
const gateway = await pythonEnvironment('enterprise-gateway', ['jupyter_enterprise_gateway>=3.3']);

interface Cell {
  readonly source: string | readonly string[];
  readonly outputs: readonly {
    readonly text?: readonly string[];
    readonly data?: Record<string, string[]>;
  }[];
}

const cellsOf = (file: string): Cell[] => JSON.parse(readFileSync(file, 'utf8')).cells;
const sourceOf = ({ source }: Cell) => [source].flat().join('');
const printed = ({ outputs }: Cell) => outputs.flatMap(({ text }) => text ?? []).join('');

describe.skipIf(programs.unavailable !== undefined)(
  'programs that run notebooks (needs PyPI and npm run build)',
  () => {
    const folder = mkdtempSync(join(tmpdir(), 'fovea-programs-'));
    const notebook = join(folder, 'in.ipynb');
    const env = { ...jupyterEnvironment(folder), PYTHONPATH: join(folder, 'site') };

    beforeAll(async () => {
      await run(process.execPath, [FOVEA, 'install', '--prefix', programs.prefix]);
      const cell = (source: string, tags: string[] = []) => ({
        cell_type: 'code',
        id: `cell-${source.length}`,
        metadata: { tags },
        source,
        outputs: [],
        execution_count: null,
      });
      const content = {
        nbformat: 4,
        nbformat_minor: 5,
        metadata: {
          kernelspec: { name: 'fovea', display_name: 'Fovea', language: 'typescript' },
          language_info: { name: 'typescript' },
        },
        cells: [
          cell("const rate: number = 0.5; // of the blocks\nconst model: unknown = 'none';", ['parameters']),
          cell('console.log(JSON.stringify([rate * 2, model]));'),
        ],
      };
      writeFileSync(notebook, JSON.stringify(content));
    }, 60_000);

    afterAll(async () => {
      await run(process.execPath, [FOVEA, 'uninstall', '--prefix', programs.prefix]);
      rmSync(folder, { recursive: true, force: true });
    });

    it('nbconvert --execute', async () => {
      const output = ['--to', 'notebook', '--output', 'converted.ipynb'];
      await run(programs.bin('jupyter'), ['nbconvert', '--execute', ...output, notebook], { env });
      expect(printed(cellsOf(join(folder, 'converted.ipynb'))[1]!)).toBe('[1,"none"]\n');
    });

    describe('papermill, with what the wheel brings', () => {
      const out = join(folder, 'out.ipynb');
      const papermill = (...words: string[]) => run(programs.bin('papermill'), words, { env, cwd: folder });

      beforeAll(async () => {
        // Builds first what has changed since the last build.
        await run(process.execPath, ['scripts/wheel.mjs', folder], { cwd: ROOT });
        const wheel = join(folder, readdirSync(folder).find((name) => name.endsWith('.whl'))!);
        const target = ['--no-deps', '--no-index', '--target', join(folder, 'site')];
        await run(programs.bin('pip'), ['install', '--quiet', ...target, wheel]);
      }, 300_000);

      it('writes the parameters as TypeScript and runs the notebook', async () => {
        const model = { 'a "b"\\': [1.5, null, true, '\n'], ['__proto__']: { c: -1 } };
        const json = JSON.stringify({ model });
        await papermill('in.ipynb', out, '-p', 'rate', '21', '-y', json, '-p', 'size', '9007199254740993');
        const [, parameters, last] = cellsOf(out) as [Cell, Cell, Cell];
        expect(sourceOf(parameters)).toContain('let rate = 21;');
        expect(sourceOf(parameters)).toContain('let size = 9007199254740993n;');
        expect(printed(last)).toBe(`${JSON.stringify([42, model])}\n`);
      });

      it('lists the parameters of a notebook', async () => {
        // This option of papermill exits with 1 whatever it found.
        const { stdout } = spawnSync(programs.bin('papermill'), ['--help-notebook', 'in.ipynb'], {
          env,
          cwd: folder,
          encoding: 'utf8',
        });
        expect(stdout).toMatch(/rate: number \(default 0\.5\)\s+of the blocks/);
        expect(stdout).toContain("model: unknown (default 'none')");
      });
    });

    it('jupyter console', () => {
      const { stdout, status } = spawnSync(
        programs.bin('jupyter'),
        ['console', '--kernel', 'fovea', '--simple-prompt'],
        { env, cwd: folder, encoding: 'utf8', input: 'const a: number = 40;\na + 2\n', timeout: 60_000 },
      );
      expect(status).toBe(0);
      expect(stdout).toContain('Out[2]: 42');
    });
  },
);

describe.skipIf(gateway.unavailable !== undefined)(
  'Enterprise Gateway (needs PyPI, a Python that it supports, and npm run build)',
  () => {
    it('starts the kernel, runs a cell, interrupts and restarts it, and ends it', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'fovea-gateway-'));
      await run(process.execPath, [FOVEA, 'install', '--prefix', gateway.prefix]);
      const port = await freePort();
      let log = '';
      const server = spawn(
        gateway.bin('jupyter'),
        ['enterprisegateway', '--EnterpriseGatewayApp.ip=127.0.0.1', `--EnterpriseGatewayApp.port=${port}`],
        // It starts no kernels for root unless told to.
        {
          env: { ...jupyterEnvironment(folder), EG_UNAUTHORIZED_USERS: 'nobody' },
          stdio: ['ignore', 'pipe', 'pipe'],
        },
      );
      for (const stream of [server.stdout, server.stderr]) {
        stream.on('data', (chunk: Buffer) => {
          log += chunk.toString('utf8');
        });
      }
      const services = createRequire(import.meta.url)(
        '@jupyterlab/services',
      ) as typeof import('@jupyterlab/services');
      const baseUrl = `http://127.0.0.1:${port}`;
      const up = () =>
        fetch(`${baseUrl}/api`).then(
          ({ ok }) => ok || log,
          () => log,
        );
      try {
        await expect.poll(up, { timeout: 60_000, interval: 250 }).toBe(true);
        const serverSettings = services.ServerConnection.makeSettings({
          baseUrl,
          wsUrl: `ws://127.0.0.1:${port}`,
        });
        const manager = new services.KernelManager({ serverSettings });
        const kernel = await manager.startNew({ name: 'fovea' });
        const execute = async (code: string, onInput?: () => void) => {
          const future = kernel.requestExecute({ code });
          let result: unknown;
          future.onIOPub = ({ header, content }: KernelMessage.IIOPubMessage) => {
            if (header.msg_type === 'execute_input') onInput?.();
            if (header.msg_type === 'execute_result') {
              result = (content as KernelMessage.IExecuteResultMsg['content']).data['text/plain'];
            }
          };
          const { content } = await future.done;
          return content.status === 'error' ? content.ename : result;
        };
        expect(await execute('const a: number = 40; a + 2')).toBe('42');
        expect(await execute('while (true) {}', () => void kernel.interrupt())).toBe('KeyboardInterrupt');
        expect(await execute('a')).toBe('40');
        await kernel.restart();
        expect(await execute('typeof a')).toBe("'undefined'");
        await kernel.shutdown();
        expect((await fetch(`${baseUrl}/api/kernels/${kernel.id}`)).status).toBe(404);
        manager.dispose();
      } finally {
        const ended = new Promise((resolve) => server.once('exit', resolve));
        server.kill('SIGTERM');
        await ended;
        await run(process.execPath, [FOVEA, 'uninstall', '--prefix', gateway.prefix]);
        rmSync(folder, { recursive: true, force: true });
      }
    });
  },
);
