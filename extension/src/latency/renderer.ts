import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { readLatency } from '../documents/latency';
import { LATENCY_MIME } from '../documents/types';
import { message } from '../message';
import { LatencyViewer } from './viewer';

/** Draws `application/vnd.fovea.latency.v1+json`. It only reads the model. */
export class LatencyRenderer extends Widget implements IRenderMime.IRenderer {
  private viewer: LatencyViewer | undefined;

  constructor() {
    super();
    this.addClass('fovea-renderer');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    try {
      const document = readLatency(model.data[LATENCY_MIME]);
      if (!this.viewer) {
        this.viewer = new LatencyViewer();
        this.node.replaceChildren(this.viewer.node);
      }
      await this.viewer.show(document);
    } catch (error) {
      this.viewer?.dispose();
      this.viewer = undefined;
      this.node.replaceChildren(message('These latencies cannot be shown.', (error as Error).message));
    }
  }

  override dispose(): void {
    this.viewer?.dispose();
    super.dispose();
  }
}
