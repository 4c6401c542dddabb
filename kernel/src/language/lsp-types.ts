/** The parts of the Language Server Protocol 3.17 that the service speaks; lines and characters count from 0, in UTF-16. */
export interface Position {
  readonly line: number;
  readonly character: number;
}

export interface Range {
  readonly start: Position;
  readonly end: Position;
}

export interface LspDocumentSymbol {
  readonly name: string;
  readonly kind: number;
  readonly range: Range;
  readonly selectionRange: Range;
}

export interface LspDiagnostic {
  readonly range: Range;
  /** 1 error, 2 warning, 3 information, 4 hint. */
  readonly severity?: number;
  readonly code?: number | string;
  readonly message: string;
}

export interface LspCompletionItem {
  readonly label: string;
  readonly kind?: number;
  readonly sortText?: string;
  readonly filterText?: string;
  readonly insertText?: string;
  readonly detail?: string;
  readonly documentation?: string | LspMarkup;
}

export interface LspMarkup {
  readonly kind: 'plaintext' | 'markdown';
  readonly value: string;
}

export interface LspHover {
  readonly contents: LspMarkup | string;
  readonly range?: Range;
}

export interface LspSignatureHelp {
  readonly signatures: readonly {
    readonly label: string;
    readonly documentation?: string | LspMarkup;
    readonly parameters?: readonly { readonly label: string; readonly documentation?: string | LspMarkup }[];
  }[];
  readonly activeSignature?: number;
  readonly activeParameter?: number;
}

export interface LspLocation {
  readonly uri?: string;
  readonly range?: Range;
  readonly targetUri?: string;
  /** The whole declaration, where the server tells it. */
  readonly targetRange?: Range;
}

export const SymbolKind = {
  module: 2,
  namespace: 3,
  class: 5,
  enum: 10,
  interface: 11,
  function: 12,
  variable: 13,
} as const;

/** Names of completion kinds, as front ends show them. */
export const completionKinds: readonly string[] = [
  '',
  'text',
  'method',
  'function',
  'constructor',
  'field',
  'variable',
  'class',
  'interface',
  'module',
  'property',
  'unit',
  'value',
  'enum',
  'keyword',
  'snippet',
  'color',
  'file',
  'reference',
  'folder',
  'enum member',
  'constant',
  'struct',
  'event',
  'operator',
  'type parameter',
];
