/** Codes with which a WebSocket is closed (RFC 6455, section 7.4.1). */
export const NORMAL = 1000;
export const GOING_AWAY = 1001;
export const UNSUPPORTED_DATA = 1003;
/** Never sent: what a closed connection reports when the other side gave no code. */
export const NO_CODE = 1005;
export const POLICY_VIOLATION = 1008;
