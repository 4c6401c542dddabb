import { deviationOf } from '../deviation.js';

/** A linear map from features to one value. */
export interface LinearFit {
  readonly weight: Float64Array;
  readonly bias: number;
  /** Fraction of the target's variance that the fit explains, on the data it was fitted to. */
  readonly explained: number;
}

/**
 * Ridge regression of standardised features onto a target, solved in whichever of its two forms is smaller
 * (Hoerl and Kennard, 1970; the dual form is Saunders et al., 1998).
 *
 * @param features `rows · columns` values, row by row
 * @param strength penalty relative to the number of rows; 0.01 suits standardised features
 */
export function ridgeRegression(
  features: Float32Array,
  columns: number,
  target: Float64Array,
  strength: number,
): LinearFit {
  const rows = target.length;
  const { mean, deviation } = momentsOf(features, rows, columns);
  const scaled = new Float64Array(features.length);
  for (let i = 0; i < features.length; i++) {
    const c = i % columns;
    scaled[i] = (features[i]! - mean[c]!) / deviation[c]!;
  }
  const centre = target.reduce((sum, value) => sum + value, 0) / rows;
  const centred = target.map((value) => value - centre);
  const penalty = Math.max(strength * rows, 1e-9);
  const slope =
    rows < columns
      ? dual(scaled, rows, columns, centred, penalty)
      : primal(scaled, rows, columns, centred, penalty);

  let [residual, total] = [0, 0];
  for (let r = 0; r < rows; r++) {
    let predicted = 0;
    for (let c = 0; c < columns; c++) predicted += slope[c]! * scaled[r * columns + c]!;
    residual += (centred[r]! - predicted) ** 2;
    total += centred[r]! ** 2;
  }
  const weight = slope.map((value, c) => value / deviation[c]!);
  const bias = centre - weight.reduce((sum, value, c) => sum + value * mean[c]!, 0);
  return { weight, bias, explained: total > 0 ? 1 - residual / total : 1 };
}

function momentsOf(features: Float32Array, rows: number, columns: number) {
  const mean = new Float64Array(columns);
  const deviation = new Float64Array(columns);
  for (let i = 0; i < features.length; i++) mean[i % columns]! += features[i]! / rows;
  for (let i = 0; i < features.length; i++)
    deviation[i % columns]! += (features[i]! - mean[i % columns]!) ** 2 / rows;
  // A feature that never changes says nothing; any deviation will do for it.
  for (let c = 0; c < columns; c++)
    deviation[c] = deviationOf(deviation[c]!, deviation[c]! + mean[c]! ** 2) || 1;
  return { mean, deviation };
}

/** (XᵀX + λI) w = Xᵀy */
function primal(
  x: Float64Array,
  rows: number,
  columns: number,
  y: Float64Array,
  penalty: number,
): Float64Array {
  const matrix = new Float64Array(columns * columns);
  const right = new Float64Array(columns);
  for (let r = 0; r < rows; r++) {
    const row = x.subarray(r * columns, (r + 1) * columns);
    for (let i = 0; i < columns; i++) {
      const value = row[i]!;
      right[i]! += value * y[r]!;
      for (let j = 0; j <= i; j++) matrix[i * columns + j]! += value * row[j]!;
    }
  }
  for (let i = 0; i < columns; i++) matrix[i * columns + i]! += penalty;
  return solvePositive(matrix, right);
}

/** w = Xᵀ (XXᵀ + λI)⁻¹ y */
function dual(
  x: Float64Array,
  rows: number,
  columns: number,
  y: Float64Array,
  penalty: number,
): Float64Array {
  const matrix = new Float64Array(rows * rows);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = 0;
      for (let c = 0; c < columns; c++) sum += x[i * columns + c]! * x[j * columns + c]!;
      matrix[i * rows + j] = sum;
    }
    matrix[i * rows + i]! += penalty;
  }
  const shares = solvePositive(matrix, y.slice());
  const weight = new Float64Array(columns);
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) weight[c]! += shares[r]! * x[r * columns + c]!;
  }
  return weight;
}

/** Cholesky's method on the lower triangle of `matrix`; both arguments are overwritten. */
function solvePositive(matrix: Float64Array, right: Float64Array): Float64Array {
  const n = right.length;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = matrix[i * n + j]!;
      for (let k = 0; k < j; k++) sum -= matrix[i * n + k]! * matrix[j * n + k]!;
      matrix[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 1e-12)) : sum / matrix[j * n + j]!;
    }
  }
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) right[i]! -= matrix[i * n + k]! * right[k]!;
    right[i]! /= matrix[i * n + i]!;
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) right[i]! -= matrix[k * n + i]! * right[k]!;
    right[i]! /= matrix[i * n + i]!;
  }
  return right;
}
