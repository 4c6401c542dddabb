/** `53.0 %`: a share, as commands print it. */
export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
