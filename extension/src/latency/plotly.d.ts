/** The parts of plotly.js that are used; its dist packages carry no types. */
declare module 'plotly.js' {
  type Data = Readonly<Record<string, unknown>>;
  interface Plotly {
    react(node: HTMLElement, data: readonly Data[], layout: Data, config?: Data): Promise<HTMLElement>;
    purge(node: HTMLElement): void;
    toImage(
      figure: HTMLElement | { data: readonly Data[]; layout: Data },
      options: { format: 'png' | 'svg'; width: number; height: number; scale?: number },
    ): Promise<string>;
    readonly Plots: { resize(node: HTMLElement): Promise<void> };
  }
  const plotly: Plotly;
  export default plotly;
}
