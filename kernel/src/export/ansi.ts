import { AnsiUp } from 'ansi_up';

/** Text of a terminal as HTML: colours kept, everything else escaped. */
export function ansiHtml(text: string): string {
  const converter = new AnsiUp();
  converter.use_classes = true;
  return converter.ansi_to_html(text);
}
