import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { packageFiles } from '@fovea/kernel';
import { zipSync } from 'fflate';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

/** A stand-in for Python whose pip "downloads" the wheel in WHEEL, or fails as pip does where that is empty. */
const python = `#!/bin/sh
while [ "$1" != "--dest" ]; do shift; done
echo "$3" >> "$CALLS"
if [ -z "$WHEEL" ]; then
  echo "ERROR: Could not find a version that satisfies the requirement $3" >&2
  echo "ERROR: No matching distribution found for $3" >&2
  exit 1
fi
cp "$WHEEL" "$2/photos-1.0-py3-none-any.whl"
`;

describe.skipIf(process.platform === 'win32')('files of Python packages', () => {
  let folder: string;
  let said: string[];
  const calls = () => readFileSync(path.join(folder, 'calls'), 'utf8').trim().split('\n');
  const kept = (requirement: string) => readdirSync(path.join(folder, 'data', 'packages', requirement));

  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), 'fovea-packages-'));
    mkdirSync(path.join(folder, 'bin'));
    for (const name of ['python3', 'python']) {
      writeFileSync(path.join(folder, 'bin', name), python);
      chmodSync(path.join(folder, 'bin', name), 0o755);
    }
    const wheel = path.join(folder, 'wheel');
    const text = (content: string) => new TextEncoder().encode(content);
    writeFileSync(
      wheel,
      zipSync({
        'photos/data/cat.png': text('a cat'),
        'photos/data/dog.png': text('a dog'),
        'photos/code.py': text(''),
      }),
    );
    vi.stubEnv('PATH', `${path.join(folder, 'bin')}:${process.env.PATH}`);
    vi.stubEnv('CALLS', path.join(folder, 'calls'));
    vi.stubEnv('WHEEL', wheel);
    vi.stubEnv('FOVEA_DATA_DIR', path.join(folder, 'data'));
    said = [];
    vi.spyOn(console, 'log').mockImplementation((line: string) => {
      said.push(line);
    });
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    rmSync(folder, { recursive: true });
  });

  it('are fetched once, said in one line, and found again', async () => {
    const [dog, cat] = await packageFiles('photos==1.0', ['dog*', 'cat.png']);
    expect([readFileSync(dog!, 'utf8'), readFileSync(cat!, 'utf8')]).toEqual(['a dog', 'a cat']);
    expect(said).toEqual([
      expect.stringMatching(/^photos==1\.0: 0\.0 MB fetched with pip; the files are kept in /),
    ]);
    expect(await packageFiles('photos==1.0', ['dog.png', 'cat.png'])).toEqual([dog, cat]);
    expect(calls()).toEqual(['photos==1.0']);
    // Nothing but what was asked for is kept.
    expect(kept('photos==1.0').sort()).toEqual(['cat.png', 'dog.png']);
  });

  it('are fetched again for a file that was not asked for before', async () => {
    await packageFiles('photos', ['cat.png']);
    const [dog] = await packageFiles('photos', ['dog.png']);
    expect(readFileSync(dog!, 'utf8')).toBe('a dog');
    expect(calls()).toEqual(['photos', 'photos']);
  });

  it('are none where pip cannot reach them, which is said in its own words', async () => {
    vi.stubEnv('WHEEL', '');
    expect(await packageFiles('photos', ['cat.png'])).toEqual([]);
    expect(said).toEqual([
      'photos cannot be fetched with pip here: No matching distribution found for photos',
    ]);
    expect(kept('photos')).toEqual([]);
  });

  it('are none where there is no Python', async () => {
    vi.stubEnv('PATH', path.join(folder, 'nothing'));
    expect(await packageFiles('photos', ['cat.png'])).toEqual([]);
    expect(said).toEqual(['photos cannot be fetched with pip here: there is no Python with pip']);
  });

  it('are named when the package does not have them, and pip gets nothing but a package and a version', async () => {
    await expect(packageFiles('photos', ['bird.png'])).rejects.toMatchObject({
      code: 'bad-file',
      message: 'photos-1.0-py3-none-any.whl has no file "bird.png"',
    });
    for (const requirement of ['--index-url=elsewhere', 'photos @ file:///etc', '../photos', 'a b', '']) {
      await expect(packageFiles(requirement, ['x'])).rejects.toMatchObject({ code: 'bad-argument' });
    }
  });
});
