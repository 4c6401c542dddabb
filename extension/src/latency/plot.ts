import type Plotly from 'plotly.js';
import { element } from '../dom';
import { onThemeChange, readTheme } from '../theme';
import type { Figure, FigureSpace } from './figures';

/** Loads plotly.js, which is its own chunk, when the first figure needs it. */
export async function loadPlotly(): Promise<typeof Plotly> {
  return (await import('plotly.js')).default;
}

const CONFIG = { displayModeBar: false, displaylogo: false, responsive: false, scrollZoom: false };

/**
 * A plotly figure that follows the width of its place and the theme of the page. It is rebuilt for each,
 * since what fits into 300 pixels is another figure.
 */
export class Plot {
  readonly node = element('div', { class: 'fovea-plot', role: 'img' });
  private readonly observer: ResizeObserver;
  private readonly stopTheme: () => void;
  private build: ((space: FigureSpace) => Figure) | undefined;
  private width = 0;
  /** Whether a drawing was due while the place had no width, as in a hidden tab. */
  private due = false;
  private queue: Promise<unknown> = Promise.resolve();
  private disposed = false;

  constructor(
    private readonly options: {
      /** Called after every drawing, with what was drawn. */
      readonly onDraw?: (figure: Figure) => void;
      readonly onError: (error: Error) => void;
    },
  ) {
    this.observer = new ResizeObserver(() => {
      if (this.due || Math.abs(this.node.clientWidth - this.width) >= 1) void this.draw();
    });
    this.observer.observe(this.node);
    this.stopTheme = onThemeChange(() => void this.draw());
  }

  dispose(): void {
    this.disposed = true;
    this.observer.disconnect();
    this.stopTheme();
    void this.queue.then(async () => {
      if (this.width > 0) (await loadPlotly()).purge(this.node);
    });
  }

  /** Shows a figure; resolves when it is drawn, or immediately while its place has no width. */
  show(build: (space: FigureSpace) => Figure, label: string): Promise<void> {
    this.build = build;
    this.node.setAttribute('aria-label', label);
    return this.draw();
  }

  /** The figure as PNG at twice its size, with a title and the page's colour behind it. */
  async png(title: string): Promise<Blob> {
    const plotly = await loadPlotly();
    const theme = readTheme(this.node);
    const space = { width: Math.max(720, this.width), theme };
    const { data, layout } = this.build!(space);
    const height = Number(layout.height ?? 420) + 112;
    const margin = { ...(layout.margin as Record<string, number>) };
    margin.t = (margin.t ?? 0) + 112;
    const url = await plotly.toImage(
      {
        data: structuredClone(data),
        layout: {
          ...structuredClone(layout),
          // On the page the legend is the viewer's own; a picture carries it inside.
          showlegend: true,
          height,
          margin,
          paper_bgcolor: theme.paper,
          plot_bgcolor: theme.paper,
          title: {
            text: title,
            x: 0,
            xref: 'paper',
            y: 1,
            yref: 'container',
            yanchor: 'top',
            pad: { t: 16 },
            font: { size: 18 },
          },
        },
      },
      { format: 'png', width: space.width, height, scale: 2 },
    );
    return (await fetch(url)).blob();
  }

  /** One drawing at a time: plotly's own are asynchronous, and a later one must win. */
  private draw(): Promise<void> {
    const task = this.queue.then(async () => {
      const width = this.node.clientWidth;
      this.due = width <= 0;
      if (this.disposed || !this.build || this.due) return;
      const plotly = await loadPlotly();
      if (this.disposed) return;
      this.width = width;
      const figure = this.build({ width, theme: readTheme(this.node) });
      const { data, layout } = figure;
      // Plotly writes into what it is given; the builder's figure may share parts with the document.
      await plotly.react(this.node, structuredClone(data), structuredClone(layout), CONFIG);
      this.options.onDraw?.(figure);
    });
    this.queue = task.catch((error: Error) => this.options.onError(error));
    return this.queue as Promise<void>;
  }
}
