import type Plotly from 'plotly.js';
import { element, pngBlob } from '../dom';
import { onThemeChange, readTheme } from '../theme';
import type { Figure, FigureSpace } from './figures';

/** Loads plotly.js, which is its own chunk, when the first figure needs it. */
export async function loadPlotly(): Promise<typeof Plotly> {
  return (await import('plotly.js')).default;
}

let turn: Promise<void> = Promise.resolve();

/**
 * Resolves in a task of its own, one for each caller: a notebook that brings, widens or recolours many figures at once
 * answers its user between them.
 */
function ownTask(): Promise<void> {
  turn = turn.then(() => new Promise((resolve) => window.setTimeout(resolve)));
  return turn;
}

/** A ground that lets the page's colour through. */
export const CLEAR = 'rgba(0,0,0,0)';

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

  /**
   * The figure as PNG at twice its size, with the page's colour behind it.
   * @param title is written above; without it the figure is saved as it is
   */
  async png(title?: string): Promise<Blob> {
    const plotly = await loadPlotly();
    const theme = readTheme(this.node);
    const space = { width: Math.max(720, this.width), theme };
    const { data, layout } = this.build!(space);
    const paper = { paper_bgcolor: theme.paper, plot_bgcolor: theme.paper };
    const inside = title === undefined ? withPaper(layout, paper) : withTitle(layout, paper, title);
    const [width, height] = [Number(inside.width) || space.width, Number(inside.height) || 420];
    const url = await plotly.toImage(
      { data: structuredClone(data), layout: structuredClone(inside) },
      { format: 'png', width, height, scale: 2 },
    );
    return pngBlob(url);
  }

  /** One drawing at a time: plotly's own are asynchronous, and a later one must win. */
  private draw(): Promise<void> {
    const task = this.queue.then(async () => {
      await ownTask();
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

/** A layout whose transparent grounds, which let the page shine through, are given the page's colour. */
function withPaper(layout: Figure['layout'], paper: Readonly<Record<string, string>>): Figure['layout'] {
  const clear = Object.keys(paper).filter((key) => layout[key] === CLEAR);
  return { ...layout, ...Object.fromEntries(clear.map((key) => [key, paper[key]])) };
}

/** A layout with a title in a margin above, and with the legend that on the page is the viewer's own. */
function withTitle(
  layout: Figure['layout'],
  paper: Readonly<Record<string, string>>,
  text: string,
): Figure['layout'] {
  const room = 112;
  const margin = layout.margin as Record<string, number> | undefined;
  return {
    ...layout,
    ...paper,
    showlegend: true,
    height: Number(layout.height ?? 420) + room,
    margin: { ...margin, t: (margin?.t ?? 0) + room },
    title: {
      text,
      x: 0,
      xref: 'paper',
      y: 1,
      yref: 'container',
      yanchor: 'top',
      pad: { t: 16 },
      font: { size: 18 },
    },
  };
}
