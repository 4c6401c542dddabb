export interface SyntaxErrorDetails {
  readonly line?: number;
  readonly column?: number;
  /** `too deep`: beyond any compiler; `more than types`: TypeScript that has to be compiled. */
  readonly kind?: 'too deep' | 'more than types';
}

/** Code that cannot be compiled; line and column count from 0. */
export class SourceSyntaxError extends Error {
  override readonly name = 'SyntaxError';
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly kind: SyntaxErrorDetails['kind'];

  constructor(message: string, { line, column, kind }: SyntaxErrorDetails = {}) {
    super(message);
    this.line = line;
    this.column = column;
    this.kind = kind;
  }
}
