/**
 * A share as people read it: `38 %`.
 * @param decimals as many, always, for columns and for shares that are compared; left out, none from ten percent on,
 *   and below that one where it is not 0, so that small shares stay apart; what would be rounded to 0 is `< 0.1 %`
 */
export function formatPercent(share: number, decimals?: number): string {
  const percent = share * 100;
  if (decimals !== undefined) return `${percent.toFixed(decimals)} %`;
  if (percent > 0 && percent < 0.05) return '< 0.1 %';
  return `${percent > 0 && percent < 9.95 ? Number(percent.toFixed(1)) : Math.round(percent)} %`;
}
