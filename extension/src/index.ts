import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { launcherPlugin } from './lab/launcher';
import { panelPlugin } from './lab/panel';
import { plotlyPlugin } from './lab/plotly';
import { settingsPlugin } from './lab/settings';
import { sweepsPlugin } from './lab/sweeps';

const plugins: JupyterFrontEndPlugin<unknown>[] = [
  settingsPlugin,
  panelPlugin,
  plotlyPlugin,
  launcherPlugin,
  sweepsPlugin,
];

export default plugins;
