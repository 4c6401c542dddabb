/**
 * Name of the global under which the runtime offers the making of MIME bundles to the debugger, which shows
 * variables as a cell would.
 */
export const FORMAT_VALUE = 'fovea.format-value';
