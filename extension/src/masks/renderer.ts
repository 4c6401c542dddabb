import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { readMasks } from '../documents/masks';
import { MASKS_MIME } from '../documents/types';
import { DocumentRenderer } from '../renderer';
import { MasksViewer } from './viewer';

/** Draws `application/vnd.fovea.masks.v1+json`. */
export class MasksRenderer extends DocumentRenderer<MasksViewer> {
  constructor() {
    super('Fovea masks', 'These masks cannot be shown.');
  }

  protected async draw(data: IRenderMime.IMimeModel['data']): Promise<void> {
    const document = readMasks(data[MASKS_MIME]);
    await this.place(() => new MasksViewer()).show(document);
  }
}
