import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { Widget } from '@lumino/widgets';
import { readMasks } from '../documents/masks';
import { MASKS_MIME } from '../documents/types';
import { message } from '../message';
import { MasksViewer } from './viewer';

/** Draws `application/vnd.fovea.masks.v1+json`. It only reads the model, so that a saved notebook stays saved. */
export class MasksRenderer extends Widget implements IRenderMime.IRenderer {
  private viewer: MasksViewer | undefined;

  constructor() {
    super();
    this.addClass('fovea-renderer');
  }

  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    try {
      const document = readMasks(model.data[MASKS_MIME]);
      if (!this.viewer) {
        this.viewer = new MasksViewer();
        this.node.replaceChildren(this.viewer.node);
      }
      await this.viewer.show(document);
    } catch (error) {
      this.viewer?.dispose();
      this.viewer = undefined;
      this.node.replaceChildren(message('These masks cannot be shown.', (error as Error).message));
    }
  }

  override dispose(): void {
    this.viewer?.dispose();
    super.dispose();
  }
}
