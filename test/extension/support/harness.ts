import { Widget } from '@lumino/widgets';
import '../../../extension/style/index.css';
import { LATENCY_MIME, MASKS_MIME, PLOTLY_MIME, SWEEP_MIME } from '../../../extension/src/documents/types';
import { PlotlyRenderer } from '../../../extension/src/latency/plotlyrenderer';
import { LatencyRenderer } from '../../../extension/src/latency/renderer';
import { MasksRenderer } from '../../../extension/src/masks/renderer';
import { preferences } from '../../../extension/src/preferences';
import { sweepOrders } from '../../../extension/src/sweep/orders';
import { SweepRenderer } from '../../../extension/src/sweep/renderer';

const RENDERERS = {
  [MASKS_MIME]: () => new MasksRenderer(),
  [LATENCY_MIME]: () => new LatencyRenderer(),
  [PLOTLY_MIME]: () => new PlotlyRenderer(),
  [SWEEP_MIME]: () => new SweepRenderer(),
};

let shown: Widget | undefined;
/** Displays that are shown below it. */
let others: Widget[] = [];

const harness = {
  preferences,
  sweepOrders,
  /** Draws a document the way an output area does; resolves when the renderer has. */
  async mount(mime: keyof typeof RENDERERS, document: unknown, width: number): Promise<void> {
    harness.unmount();
    const host = window.document.querySelector<HTMLElement>('#host')!;
    host.style.width = `${width}px`;
    const renderer = RENDERERS[mime]();
    renderer.addClass('jp-OutputArea-output');
    Widget.attach(renderer, host);
    shown = renderer;
    const frozen = JSON.stringify(document);
    const model = {
      trusted: false,
      data: { [mime]: document },
      metadata: {},
      setData: () => {
        throw new Error('a renderer must not write to the model');
      },
    };
    await renderer.renderModel(model as never);
    if (JSON.stringify(document) !== frozen) throw new Error('the renderer changed the document');
  },
  /** Renders another document into the widget that is shown, as an update of a display does. */
  async update(mime: keyof typeof RENDERERS, document: unknown): Promise<void> {
    const model = { trusted: false, data: { [mime]: document }, metadata: {}, setData: () => undefined };
    await (shown as MasksRenderer).renderModel(model as never);
  },
  /** Draws another document below the one that is shown. */
  async mountBelow(mime: keyof typeof RENDERERS, document: unknown): Promise<void> {
    const renderer = RENDERERS[mime]();
    renderer.addClass('jp-OutputArea-output');
    Widget.attach(renderer, window.document.querySelector<HTMLElement>('#host')!);
    others.push(renderer);
    await renderer.renderModel({ data: { [mime]: document }, metadata: {} } as never);
  },
  unmount(): void {
    for (const widget of [shown, ...others]) widget?.dispose();
    shown = undefined;
    others = [];
  },
};

declare global {
  interface Window {
    harness: typeof harness;
  }
}
window.harness = harness;
