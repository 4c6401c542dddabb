/** Global through which rewritten cells, and the inspector session that starts them, reach the runtime. */
export const BRIDGE = '__fovea__';
