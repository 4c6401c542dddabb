import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';

const plugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/lab:plugin',
  description: 'Mask overlays, latency plots and live controls.',
  autoStart: true,
  activate: (_app: JupyterFrontEnd) => undefined,
};

export default plugin;
