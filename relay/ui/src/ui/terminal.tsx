import { memo, type CSSProperties } from "react";
import { parseAnsi, type AnsiStyle } from "./ansi";
import { LongText } from "./fold";
import "./terminal.css";

const MAX_LINES = 24;
const MAX_CHARS = 6000;

interface TerminalProps {
  readonly id: string;
  /** What was typed; shown as it is, with what can't be seen made visible. */
  readonly command?: string | undefined;
  readonly output: string | null;
  readonly isError?: boolean;
  readonly label: string;
}

/** A command and what it said, as in a terminal. */
export function Terminal({ id, command, output, isError = false, label }: TerminalProps) {
  return (
    <div className={isError ? "terminal terminal-failed" : "terminal"} dir="ltr" role="group" aria-label={label}>
      {command !== undefined && (
        <LongText id={`${id}:command`} text={revealUnseen(command)} maxLines={MAX_LINES} maxChars={MAX_CHARS}>
          {(shown) => (
            <pre className="terminal-command">
              <span aria-hidden>$ </span>
              {shown}
            </pre>
          )}
        </LongText>
      )}
      {output !== null && output !== "" && (
        <LongText id={`${id}:output`} text={output} maxLines={MAX_LINES} maxChars={MAX_CHARS}>
          {(shown) => (
            <pre className="terminal-output" tabIndex={0} aria-label="Output">
              <Ansi text={shown} />
            </pre>
          )}
        </LongText>
      )}
    </div>
  );
}

/** Text with its terminal colours. */
export const Ansi = memo(function Ansi({ text }: { readonly text: string }) {
  return (
    <>
      {parseAnsi(text).map((span, index) =>
        Object.keys(span.style).length === 0 ? (
          span.text
        ) : (
          <span key={index} style={cssOf(span.style)}>
            {span.text}
          </span>
        ),
      )}
    </>
  );
});

function cssOf(style: AnsiStyle): CSSProperties {
  const lines = [style.underline ? "underline" : "", style.strike ? "line-through" : ""].filter(Boolean).join(" ");
  return {
    color: style.color,
    backgroundColor: style.background,
    fontWeight: style.bold ? 600 : undefined,
    fontStyle: style.italic ? "italic" : undefined,
    textDecoration: lines || undefined,
  };
}

// Controls (but tab and line ends), soft hyphen, zero-width characters, marks that turn the direction of text.
const UNSEEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\r(?!\n)/g;

/** What someone is to judge must not look other than it is: marks that can't be seen are written out. */
export function revealUnseen(text: string): string {
  return text.replace(UNSEEN, (mark) => (mark === "\r" ? "␍" : `⟨U+${mark.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}⟩`));
}
