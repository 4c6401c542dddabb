import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  activePrefix,
  dataFolders,
  stateFolder,
  userDataFolder,
} from '../../../kernel/src/server/jupyter-paths.js';

const variables = [
  ...['JUPYTER_DATA_DIR', 'JUPYTER_PATH', 'VIRTUAL_ENV', 'CONDA_PREFIX', 'FOVEA_STATE_DIR'],
  ...['XDG_DATA_HOME', 'XDG_STATE_HOME', 'APPDATA', 'LOCALAPPDATA', 'PROGRAMDATA'],
];
const platform = (name: NodeJS.Platform) => vi.spyOn(process, 'platform', 'get').mockReturnValue(name);

beforeEach(() => {
  for (const name of variables) vi.stubEnv(name, '');
  platform('linux');
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

// As `jupyter --paths` of jupyter_core prints them.
describe('the folders of Jupyter', () => {
  it.each<[NodeJS.Platform, Record<string, string>, string, string]>([
    ['linux', {}, join(homedir(), '.local/share/jupyter'), join(homedir(), '.local/state/fovea')],
    ['linux', { XDG_DATA_HOME: '/d', XDG_STATE_HOME: '/s' }, '/d/jupyter', '/s/fovea'],
    ['darwin', {}, join(homedir(), 'Library/Jupyter'), join(homedir(), 'Library/Application Support/fovea')],
    ['win32', { APPDATA: '/roaming', LOCALAPPDATA: '/local' }, '/roaming/jupyter', '/local/fovea'],
    ['linux', { JUPYTER_DATA_DIR: '/given', FOVEA_STATE_DIR: '/own', XDG_DATA_HOME: '/d' }, '/given', '/own'],
  ])('of the user and of Fovea on %s with %j', (name, env, data, state) => {
    platform(name);
    for (const [variable, value] of Object.entries(env)) vi.stubEnv(variable, value);
    expect([userDataFolder(), stateFolder()]).toEqual([data, state]);
  });

  it('are searched in order: listed ones, the environment, the user, the system, each once', () => {
    vi.stubEnv('JUPYTER_PATH', ['/a', '', '/usr/share/jupyter'].join(delimiter));
    vi.stubEnv('JUPYTER_DATA_DIR', '/mine');
    vi.stubEnv('CONDA_PREFIX', '/conda');
    expect(activePrefix()).toBe('/conda');
    expect(dataFolders()).toEqual([
      ...['/a', '/usr/share/jupyter', '/conda/share/jupyter', '/mine', '/usr/local/share/jupyter'],
    ]);
    vi.stubEnv('VIRTUAL_ENV', '/venv');
    expect(activePrefix()).toBe('/venv');
  });
});
