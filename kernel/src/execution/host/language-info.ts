/**
 * The kernel's language as `kernel_info_reply` describes it. Front ends write it into a notebook's metadata: a notebook
 * that holds the same already is not changed by being opened.
 */
export const languageInfo = {
  name: 'typescript',
  version: '7.0.2',
  mimetype: 'text/x.typescript',
  file_extension: '.ts',
  pygments_lexer: 'typescript',
  codemirror_mode: 'typescript',
  nbconvert_exporter: 'script',
} as const;
