import type { FigureTheme } from './latency/figures';

/** True where the system forces its colours: grounds are its own then, whatever the theme says. */
const forcedColors = () => window.matchMedia('(forced-colors: active)');

/** Reads the colours of the page around `node` from JupyterLab's variables, or the system's where it forces them. */
export function readTheme(node: HTMLElement): FigureTheme {
  const style = getComputedStyle(node);
  const read = (name: string, otherwise: string) => style.getPropertyValue(name).trim() || otherwise;
  const dark = document.body.dataset.jpThemeLight === 'false';
  const font = read('--jp-ui-font-family', 'system-ui, sans-serif');
  if (forcedColors().matches) {
    const ink = resolve(node, 'CanvasText', '#000000');
    const paper = resolve(node, 'Canvas', '#ffffff');
    const isDark = Math.max(...(paper.match(/\d+/g) ?? ['255']).slice(0, 3).map(Number)) < 128;
    return { dark: isDark, ink, quiet: ink, line: resolve(node, 'GrayText', ink), paper, font };
  }
  return {
    dark,
    ink: resolve(node, 'var(--jp-ui-font-color1)', dark ? '#ffffff' : '#212121'),
    quiet: resolve(node, 'var(--jp-ui-font-color2)', dark ? '#b0b0b0' : '#616161'),
    line: resolve(node, 'var(--jp-border-color2)', dark ? '#424242' : '#e0e0e0'),
    paper: resolve(node, 'var(--jp-layout-color0)', dark ? '#111111' : '#ffffff'),
    font,
  };
}

/** The colour of a variable or of the system, through any number of references to other variables. */
function resolve(node: HTMLElement, value: string, otherwise: string): string {
  const probe = document.createElement('span');
  // The system's own colour would be forced on the probe, too.
  probe.style.setProperty('forced-color-adjust', 'none');
  probe.style.color = otherwise;
  probe.style.color = value.replace(')', `, ${otherwise})`);
  probe.hidden = true;
  node.append(probe);
  const color = getComputedStyle(probe).color;
  probe.remove();
  return color || otherwise;
}

/**
 * Calls back after the page's theme has changed, or the system has begun or ceased to force its colours: in the next
 * frame, since JupyterLab hides itself right after the change and shows itself in that frame, too soon for a
 * ResizeObserver to notice.
 * @returns a function that stops it
 */
export function onThemeChange(callback: () => void): () => void {
  const observer = new MutationObserver(() => requestAnimationFrame(callback));
  observer.observe(document.body, {
    attributes: true,
    attributeFilter: ['data-jp-theme-name', 'data-jp-theme-light'],
  });
  const forced = forcedColors();
  const onForced = () => callback();
  forced.addEventListener('change', onForced);
  return () => {
    observer.disconnect();
    forced.removeEventListener('change', onForced);
  };
}
