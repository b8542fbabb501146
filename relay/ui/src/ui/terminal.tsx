import { Fragment, memo, useLayoutEffect, useRef, type CSSProperties, type ReactNode } from "react";
import { parseAnsi, type AnsiSpan, type AnsiStyle } from "../text/ansi";
import { LongText } from "./fold";
import "./terminal.css";

const COMMAND_LINES = 6;
const COMMAND_CHARS = 2000;
/** More than this is shown from its end on: what a page can lay out without a pause. */
const OUTPUT_CHARS = 100_000;

interface TerminalProps {
  readonly id: string;
  /** What was typed; shown as it is, with what can't be seen made visible. */
  readonly command?: string | undefined;
  /** In one, or in parts of which some are errors. */
  readonly output: string | null | readonly TerminalPart[];
  readonly isError?: boolean;
  readonly label: string;
}

export interface TerminalPart {
  readonly text: string;
  readonly isError: boolean;
}

/** A command and what it said, as in a terminal: all of it, in a box that stays at its end while more comes. */
export function Terminal({ id, command, output, isError = false, label }: TerminalProps) {
  const parts = typeof output === "string" ? [{ text: output, isError: false }] : (output ?? []);
  const said = parts.some((part) => part.text !== "");
  return (
    <div className={isError ? "terminal terminal-failed" : "terminal"} dir="ltr" role="group" aria-label={label}>
      {command !== undefined && (
        <LongText id={`${id}:command`} text={revealUnseen(command)} maxLines={said ? COMMAND_LINES : 4 * COMMAND_LINES} maxChars={COMMAND_CHARS}>
          {(shown) => (
            <pre className="terminal-command">
              <span aria-hidden>$ </span>
              {shown}
            </pre>
          )}
        </LongText>
      )}
      {said && <Output parts={parts} toEnd={isError || command === undefined} />}
    </div>
  );
}

/** `toEnd`: it begins at its end, and follows it until someone scrolls up. */
function Output({ parts, toEnd }: { readonly parts: readonly TerminalPart[]; readonly toEnd: boolean }) {
  const box = useRef<HTMLPreElement>(null);
  const follows = useRef(toEnd);
  useLayoutEffect(() => {
    const element = box.current;
    if (element && follows.current) element.scrollTop = element.scrollHeight;
  }, [parts]);
  return (
    <pre
      ref={box}
      className="terminal-output"
      tabIndex={0}
      aria-label="Output"
      onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
        follows.current = toEnd && scrollHeight - scrollTop - clientHeight < 8;
      }}
    >
      {withLineEnds(parts)}
    </pre>
  );
}

function withLineEnds(parts: readonly TerminalPart[]): ReactNode {
  let left = OUTPUT_CHARS;
  const shown = parts.toReversed().flatMap(({ text, isError }) => {
    const kept = left >= text.length ? text : text.slice(text.length - Math.max(0, left));
    left -= text.length;
    return kept === "" ? [] : [{ text: kept, isError }];
  });
  return (
    <>
      {left < 0 && <span className="terminal-cut">{`… ${-left} characters before\n`}</span>}
      {shown.toReversed().map(({ text, isError }, index, all) => (
        <span key={index} className={isError ? "terminal-error" : undefined}>
          <Ansi text={index < all.length - 1 ? `${text}\n` : text} />
        </span>
      ))}
    </>
  );
}

/** Text with its terminal colours. */
export const Ansi = memo(function Ansi({ text }: { readonly text: string }) {
  return <Spans spans={parseAnsi(text)} />;
});

/** The same of text that was parsed; what is looked for is marked, if it stands in one colour. */
export function Spans({ spans, found = "" }: { readonly spans: readonly AnsiSpan[]; readonly found?: string }) {
  return (
    <>
      {spans.map((span, index) =>
        Object.keys(span.style).length === 0 ? (
          <Fragment key={index}>{marked(span.text, found)}</Fragment>
        ) : (
          <span key={index} style={cssOf(span.style)}>
            {marked(span.text, found)}
          </span>
        ),
      )}
    </>
  );
}

function marked(text: string, found: string): ReactNode {
  if (found === "") return text;
  const wanted = found.toLowerCase();
  const lower = text.toLowerCase();
  const parts: ReactNode[] = [];
  let from = 0;
  // Where lower case is longer than the text (İ), places would not be the same: then nothing is marked.
  for (let at = lower.length === text.length ? lower.indexOf(wanted) : -1; at >= 0; at = lower.indexOf(wanted, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + wanted.length)}</mark>);
    from = at + wanted.length;
  }
  return parts.length === 0 ? text : [...parts, text.slice(from)];
}

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
