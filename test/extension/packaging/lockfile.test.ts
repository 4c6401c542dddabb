import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

interface Entry {
  readonly version?: string;
  readonly resolved?: string;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const { packages } = JSON.parse(
  readFileSync(new URL('../../../package-lock.json', import.meta.url), 'utf8'),
) as {
  packages: Readonly<Record<string, Entry>>;
};

describe('the lockfile', () => {
  it('holds the binaries of every platform, without which npm ci refuses to install on any', () => {
    const missing = Object.entries(packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !packages[`node_modules/${name}`] && !packages[`${path}/node_modules/${name}`],
      ),
    );
    expect(missing).toEqual([]);
  });

  it('names no registry', () => {
    const hosts = Object.values(packages)
      .map(({ resolved }) => resolved ?? '')
      .filter((resolved) => resolved.includes('://'));
    expect(hosts).toEqual([]);
  });

  it('holds one version of JupyterLab, and one of each package that its plugins share', () => {
    const versions = new Map<string, Set<string>>();
    for (const [path, { version }] of Object.entries(packages)) {
      const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
      if (!version || !/^(@jupyterlab|@lumino|@codemirror|react|react-dom|yjs)(\/|$)/.test(name)) continue;
      versions.set(name, (versions.get(name) ?? new Set()).add(version));
    }
    expect([...versions].filter(([, found]) => found.size > 1)).toEqual([]);
    expect(versions.get('@jupyterlab/application')).toEqual(new Set(['4.6.4']));
  });
});
