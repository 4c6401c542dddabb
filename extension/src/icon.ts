/** A coarse grid with one cell in focus; coloured by JupyterLab's icon classes. */
export const FOVEA_ICON = {
  name: 'fovea:icon',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24">
  <g class="jp-icon3" fill="#616161">
    <rect x="2" y="2" width="6" height="6" rx="1" opacity=".45"/><rect x="9" y="2" width="6" height="6" rx="1"/>
    <rect x="16" y="2" width="6" height="6" rx="1" opacity=".45"/><rect x="2" y="9" width="6" height="6" rx="1"/>
    <rect x="16" y="9" width="6" height="6" rx="1"/><rect x="2" y="16" width="6" height="6" rx="1" opacity=".45"/>
    <rect x="9" y="16" width="6" height="6" rx="1" opacity=".45"/><rect x="16" y="16" width="6" height="6" rx="1" opacity=".45"/>
  </g>
  <rect x="9" y="9" width="6" height="6" rx="1" fill="#e69f00"/>
</svg>`,
};
