import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { plotlyPlugin } from './lab/plotly';
import { settingsPlugin } from './lab/settings';

const plugins: JupyterFrontEndPlugin<unknown>[] = [settingsPlugin, plotlyPlugin];

export default plugins;
