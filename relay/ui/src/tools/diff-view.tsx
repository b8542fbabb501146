import { memo, useMemo } from "react";
import { Line as CodeLine, useHighlighted } from "../ui/code-block";
import { formatWhole } from "../ui/format";
import type { Token } from "../ui/highlight";
import { useKept } from "../ui/kept";
import { languageOf } from "../ui/language-of";
import { revealUnseen } from "../ui/terminal";
import { Counts } from "./counts";
import type { DiffLine, FileDiff } from "./edit-diff";
import { shortPath } from "./tool-summary";

const FIRST_LINES = 60;
const MORE_LINES = 2000;
const MAX_LINE_CHARS = 2000;

const MARKS = { added: "+", removed: "-", same: " " } as const;
const SPOKEN = { added: "added: ", removed: "removed: ", same: "" } as const;

/** How much a change adds and takes away. */
export function DiffCount({ diff }: { readonly diff: FileDiff }) {
  return <Counts added={diff.added} removed={diff.removed} />;
}

interface DiffViewProps {
  readonly id: string;
  readonly diff: FileDiff;
  /** Without its head: the file is told above. */
  readonly bare?: boolean;
}

/** A change of a file, line by line, in the colours of its language. */
export const DiffView = memo(function DiffView({ id, diff, bare = false }: DiffViewProps) {
  const [limit, setLimit] = useKept(`diff:${id}`, FIRST_LINES);
  const lines = useMemo(() => diff.hunks.flatMap((hunk, at) => hunk.lines.map((line, index) => ({ line, begins: at > 0 && index === 0 }))), [diff]);
  const numbered = lines.some(({ line }) => line.newLine !== undefined);
  const code = useMemo(() => lines.map(({ line }) => line.text).join("\n"), [lines]);
  const coloured = useHighlighted(code, languageOf(diff.path));
  return (
    <figure className="diff">
      {!bare && (
        <figcaption className="diff-head">
          <Path path={shortPath(diff.path)} />
          <DiffCount diff={diff} />
        </figcaption>
      )}
      <div className={numbered ? "diff-body diff-numbered" : "diff-body"} tabIndex={0} dir="ltr" role="group" aria-label={`Change of ${diff.path}`}>
        {lines.slice(0, limit).map(({ line, begins }, at) => (
          <Line key={at} line={line} numbered={numbered} begins={begins} tokens={coloured?.[at]} />
        ))}
      </div>
      {lines.length > limit && (
        <button type="button" className="show-more" onClick={() => setLimit(limit + MORE_LINES)}>
          Show more ({formatWhole(lines.length - limit)} lines)
        </button>
      )}
    </figure>
  );
});

/** Folders muted, the name dark. */
export function Path({ path }: { readonly path: string }) {
  const cut = path.lastIndexOf("/") + 1;
  return (
    <bdi className="mono path" title={path}>
      <span className="path-folder">{revealUnseen(path.slice(0, cut))}</span>
      {revealUnseen(path.slice(cut))}
    </bdi>
  );
}

interface LineProps {
  readonly line: DiffLine;
  readonly numbered: boolean;
  /** Whether lines were left out before it. */
  readonly begins: boolean;
  readonly tokens: readonly Token[] | undefined;
}

function Line({ line, numbered, begins, tokens }: LineProps) {
  const long = line.text.length > MAX_LINE_CHARS;
  const text = long ? `${line.text.slice(0, MAX_LINE_CHARS)} … (${line.text.length} characters)` : line.text;
  const shown = revealUnseen(text);
  return (
    <div className={`diff-line diff-${line.kind}${begins ? " diff-begins" : ""}`}>
      {numbered && (
        <span className="diff-number" aria-hidden>
          {line.newLine ?? line.oldLine ?? ""}
        </span>
      )}
      <span className="diff-mark" aria-hidden>
        {MARKS[line.kind]}
      </span>
      <span className="diff-text">
        {SPOKEN[line.kind] && <span className="sr-only">{SPOKEN[line.kind]}</span>}
        {/* Where something can't be seen, the line is shown with that written out, and so without colours. */}
        {tokens && !long && shown === line.text ? <CodeLine tokens={tokens} last /> : shown}
      </span>
    </div>
  );
}
