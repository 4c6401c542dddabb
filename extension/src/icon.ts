import { ICON_SVG } from '@fovea/kernel/presentation';

/** Fovea's icon as JupyterLab takes it. */
export const FOVEA_ICON = { name: 'fovea:icon', svgstr: ICON_SVG };
