/** The parts of a notebook of format 4 that a page shows; texts are joined, not lists of lines. */
export interface Notebook {
  readonly cells: readonly Cell[];
  readonly metadata?: {
    readonly title?: unknown;
    readonly kernelspec?: { readonly language?: unknown };
    readonly language_info?: { readonly name?: unknown };
  };
}

export interface Cell {
  readonly cell_type: string;
  readonly source?: unknown;
  readonly execution_count?: unknown;
  readonly metadata?: {
    readonly collapsed?: unknown;
    readonly jupyter?: { readonly source_hidden?: unknown; readonly outputs_hidden?: unknown };
  };
  readonly outputs?: readonly Output[];
  /** Pictures that were pasted into a Markdown cell: by name, base64 by MIME type. */
  readonly attachments?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

export interface Output {
  readonly output_type: string;
  readonly name?: unknown;
  readonly text?: unknown;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly metadata?: Readonly<Record<string, unknown>>;
  readonly ename?: unknown;
  readonly evalue?: unknown;
  readonly traceback?: unknown;
}

/** A value that should be text: lists of lines are joined, anything else becomes the empty text. */
export function textOf(value: unknown): string {
  if (Array.isArray(value)) return value.map(textOf).join('');
  return typeof value === 'string' ? value : '';
}
