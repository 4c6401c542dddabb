import { LabIcon } from '@jupyterlab/ui-components';
import { FOVEA_ICON } from '../icon';

export const foveaIcon = new LabIcon(FOVEA_ICON);
