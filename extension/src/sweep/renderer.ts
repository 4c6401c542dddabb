import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { readSweep } from '../documents/sweep';
import { SWEEP_MIME } from '../documents/types';
import { DocumentRenderer } from '../renderer';
import { SweepViewer } from './viewer';

/** Draws `application/vnd.fovea.sweep.v1+json`. */
export class SweepRenderer extends DocumentRenderer<SweepViewer> {
  constructor() {
    super('Fovea sweep', 'This sweep cannot be shown.');
  }

  protected async draw(data: IRenderMime.IMimeModel['data']): Promise<void> {
    const document = readSweep(data[SWEEP_MIME]);
    await this.place(() => new SweepViewer()).show(document);
  }
}
