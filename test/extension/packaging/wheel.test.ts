import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const isBuilt = existsSync(join(ROOT, 'extension/dist/@fovea/lab/package.json'));

describe.skipIf(!isBuilt)('npm run wheel (needs npm run build)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fovea-wheel-'));
  let files: Map<string, Buffer>;

  beforeAll(() => {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/wheel.mjs', folder], {
      cwd: ROOT,
      encoding: 'utf8',
    });
    expect(status, stderr).toBe(0);
    const [name] = readdirSync(folder);
    expect(name).toMatch(/^fovea_lab-\d+\.\d+\.\d+-py3-none-any\.whl$/);
    const unzipped = unzipSync(readFileSync(join(folder, name!)));
    files = new Map(Object.entries(unzipped).map(([path, bytes]) => [path, Buffer.from(bytes)]));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const text = (end: string) => [...files].find(([path]) => path.endsWith(end))![1].toString('utf8');

  it('puts both parts where pip copies them from', () => {
    const paths = [...files.keys()].map((path) => path.replace(/^fovea_lab-[^/]+\.data\/data\//, ''));
    expect(paths).toContain('share/jupyter/kernels/fovea/kernel.json');
    expect(paths).toContain('share/jupyter/kernels/fovea/logo-svg.svg');
    expect(paths).toContain('share/jupyter/labextensions/@fovea/lab/package.json');
    expect(paths).toContain('share/jupyter/labextensions/@fovea/lab/install.json');
  });

  it('calls the kernel through Python, as no path is the same on two machines', () => {
    const spec = JSON.parse(text('kernels/fovea/kernel.json'));
    expect(spec.argv).toEqual(['python', '-m', 'fovea_kernel', 'kernel', '-f', '{connection_file}']);
    expect(files.has('fovea_kernel.py')).toBe(true);
  });

  it('offers papermill the module that writes parameters as TypeScript', () => {
    expect(files.has('fovea_papermill.py')).toBe(true);
    expect(text('.dist-info/entry_points.txt')).toContain(
      '[papermill.engine]\nfovea = fovea_papermill:FoveaEngine\n',
    );
  });

  it('records every file with its hash and size', () => {
    const record = text('.dist-info/RECORD').trim().split('\n');
    expect(record).toHaveLength(files.size);
    for (const line of record) {
      const [path, hash, size] = line.split(',') as [string, string, string];
      if (path.endsWith('/RECORD')) continue;
      const content = files.get(path)!;
      expect(hash).toBe(`sha256=${createHash('sha256').update(content).digest('base64url')}`);
      expect(Number(size)).toBe(content.length);
    }
  });
});
