import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { PLOTLY_MIME } from '../documents/types';
import { PlotlyRenderer } from '../latency/plotlyrenderer';

/**
 * Draws plotly figures of other libraries, but only where no other extension does: the registry lets the last
 * registration win whatever its rank, so this one waits until the lab has started and then looks.
 */
export const plotlyPlugin: JupyterFrontEndPlugin<void> = {
  id: '@fovea/lab:plotly',
  description: `Draws ${PLOTLY_MIME} where no other extension does.`,
  autoStart: true,
  requires: [IRenderMimeRegistry],
  activate: (app: JupyterFrontEnd, registry: IRenderMimeRegistry) => {
    void app.started.then(() => {
      if (registry.getFactory(PLOTLY_MIME)) return;
      registry.addFactory(
        { safe: true, mimeTypes: [PLOTLY_MIME], createRenderer: () => new PlotlyRenderer() },
        60,
      );
    });
  },
};
