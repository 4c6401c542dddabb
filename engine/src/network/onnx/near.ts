import { bfloatToNumber, halfToNumber, numberToBfloat, numberToHalf } from '../number-formats.js';

/**
 * Whether a constant of a file, or a factor made of some, is a number that formulas have; also as 16-bit floats hold that
 * number or its inverse (half-precision files divide by √2 as 1.4140625).
 */
export function near(value: number | undefined, wanted: number): boolean {
  if (value === undefined) return false;
  const same = (number: number) => Math.abs(value - number) < 1e-5 * Math.abs(number);
  return same(wanted) || narrow(wanted).some(same) || narrow(1 / wanted).some((number) => same(1 / number));
}

const narrow = (number: number) => [
  halfToNumber(numberToHalf(number)),
  bfloatToNumber(numberToBfloat(number)),
];
