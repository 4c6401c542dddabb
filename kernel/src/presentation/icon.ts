/** The cells around the middle; those at the corners are paler. */
const CELLS = [2, 9, 16].flatMap((y) =>
  [2, 9, 16].filter((x) => x !== 9 || y !== 9).map((x) => ({ x, y, isPale: x !== 9 && y !== 9 })),
);

/**
 * Fovea's icon, a coarse grid with one cell in focus: of the kernel in launchers, of the browser's tab, of panel, files
 * and example notebooks. Grey stands out from light grounds and from dark ones; where JupyterLab draws it as an icon of
 * its own, its class takes the theme's colour. The files of the kernelspec hold the same.
 */
export const ICON_SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24" aria-hidden="true">
  <g class="jp-icon3" fill="#808080">
${CELLS.map(({ x, y, isPale }) => `    <rect x="${x}" y="${y}" width="6" height="6" rx="1"${isPale ? ' opacity=".45"' : ''}/>`).join('\n')}
  </g>
  <rect x="9" y="9" width="6" height="6" rx="1" fill="#e69f00"/>
</svg>
`;

/** The same with a mark, while a kernel computes. */
export const BUSY_ICON_SVG = ICON_SVG.replace(
  '</svg>',
  '  <circle cx="19" cy="19" r="4.5" fill="#d55e00"/>\n</svg>',
);
