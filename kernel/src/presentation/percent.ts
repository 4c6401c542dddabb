/**
 * A share as people read it: `38 %`.
 * @param decimals as many, always, for columns and for shares that are compared; left out, none from ten percent on,
 *   and below that one where it is not 0, so that small shares stay apart
 */
export function formatPercent(share: number, decimals?: number): string {
  const percent = share * 100;
  if (decimals !== undefined) return `${percent.toFixed(decimals)} %`;
  return `${percent > 0 && percent < 9.95 ? Number(percent.toFixed(1)) : Math.round(percent)} %`;
}
