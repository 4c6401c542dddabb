import type { FigureTheme } from './latency/figures';

/** Reads the colours of the page around `node` from JupyterLab's variables. */
export function readTheme(node: HTMLElement): FigureTheme {
  const style = getComputedStyle(node);
  const read = (name: string, otherwise: string) => style.getPropertyValue(name).trim() || otherwise;
  const dark = document.body.dataset.jpThemeLight === 'false';
  return {
    dark,
    ink: resolve(node, 'var(--jp-ui-font-color1)', dark ? '#ffffff' : '#212121'),
    quiet: resolve(node, 'var(--jp-ui-font-color2)', dark ? '#b0b0b0' : '#616161'),
    line: resolve(node, 'var(--jp-border-color2)', dark ? '#424242' : '#e0e0e0'),
    paper: resolve(node, 'var(--jp-layout-color0)', dark ? '#111111' : '#ffffff'),
    font: read('--jp-ui-font-family', 'system-ui, sans-serif'),
  };
}

/** The colour of a variable, through any number of references to other variables. */
function resolve(node: HTMLElement, value: string, otherwise: string): string {
  const probe = document.createElement('span');
  probe.style.color = otherwise;
  probe.style.color = value.replace(')', `, ${otherwise})`);
  probe.hidden = true;
  node.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color || otherwise;
}

/**
 * Calls back after the page's theme has changed: in the next frame, since JupyterLab hides itself right after the change
 * and shows itself in that frame, too soon for a ResizeObserver to notice.
 * @returns a function that stops it
 */
export function onThemeChange(callback: () => void): () => void {
  const observer = new MutationObserver(() => requestAnimationFrame(callback));
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light'],
  });
  return () => observer.disconnect();
}
