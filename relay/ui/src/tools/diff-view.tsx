import { memo } from "react";
import { formatWhole } from "../ui/format";
import { useKept } from "../ui/kept";
import { revealUnseen } from "../ui/terminal";
import type { DiffLine, FileDiff } from "./edit-diff";

const FIRST_LINES = 60;
const MORE_LINES = 2000;
const MAX_LINE_CHARS = 2000;

const MARKS = { added: "+", removed: "-", same: " " } as const;
const SPOKEN = { added: "added: ", removed: "removed: ", same: "" } as const;

/** A change of a file, line by line. */
export const DiffView = memo(function DiffView({ id, diff }: { readonly id: string; readonly diff: FileDiff }) {
  const [limit, setLimit] = useKept(`diff:${id}`, FIRST_LINES);
  const total = diff.hunks.reduce((sum, hunk) => sum + hunk.lines.length, 0);
  const numbered = diff.hunks.some((hunk) => hunk.lines.some((line) => line.newLine !== undefined));
  let left = limit;
  return (
    <figure className="diff">
      <figcaption className="diff-head">
        <bdi className="mono">{revealUnseen(diff.path)}</bdi>
        <span className="diff-count">
          <ins aria-label={`${diff.added} lines added`}>+{diff.added}</ins>{" "}
          <del aria-label={`${diff.removed} lines removed`}>−{diff.removed}</del>
        </span>
      </figcaption>
      <div className={numbered ? "diff-body diff-numbered" : "diff-body"} tabIndex={0} dir="ltr" role="group" aria-label={`Change of ${diff.path}`}>
        {diff.hunks.map((hunk, index) => {
          const lines = hunk.lines.slice(0, Math.max(0, left));
          left -= lines.length;
          if (lines.length === 0) return null;
          return (
            <div key={index} className="diff-hunk">
              {lines.map((line, at) => (
                <Line key={at} line={line} numbered={numbered} />
              ))}
            </div>
          );
        })}
      </div>
      {total > limit && (
        <button type="button" className="show-more" onClick={() => setLimit(limit + MORE_LINES)}>
          Show more ({formatWhole(total - limit)} lines)
        </button>
      )}
    </figure>
  );
});

function Line({ line, numbered }: { readonly line: DiffLine; readonly numbered: boolean }) {
  const text = line.text.length > MAX_LINE_CHARS ? `${line.text.slice(0, MAX_LINE_CHARS)} … (${line.text.length} characters)` : line.text;
  return (
    <div className={`diff-line diff-${line.kind}`}>
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
        {revealUnseen(text)}
      </span>
    </div>
  );
}
