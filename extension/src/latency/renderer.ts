import type { IRenderMime } from '@jupyterlab/rendermime-interfaces';
import { readLatency } from '../documents/latency';
import { LATENCY_MIME } from '../documents/types';
import { DocumentRenderer } from '../renderer';
import { LatencyViewer } from './viewer';

/** Draws `application/vnd.fovea.latency.v1+json`. */
export class LatencyRenderer extends DocumentRenderer<LatencyViewer> {
  constructor() {
    super('Fovea latencies', 'These latencies cannot be shown.');
  }

  protected async draw(data: IRenderMime.IMimeModel['data']): Promise<void> {
    const document = readLatency(data[LATENCY_MIME]);
    await this.place(() => new LatencyViewer()).show(document);
  }
}
