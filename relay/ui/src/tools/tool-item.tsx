import { Ban, CircleCheck, CircleX, LoaderCircle } from "lucide-react";
import type { LucideIcon } from "lucide-react";
import { memo, useMemo, type ReactNode } from "react";
import type { PermissionItem, ToolItem as Item, ToolStatus } from "../model/types";
import { formatDuration } from "../ui/format";
import { Disclosure } from "../ui/fold";
import { DiffCount } from "./diff-view";
import { editDiff } from "./edit-diff";
import { ImageList } from "./image-list";
import { contentImages } from "./images";
import { isAgent } from "./tool-summary";
import { isToldInLine, ToolInput, ToolLine, ToolResult } from "./tool-views";

const STATUS: Readonly<Record<ToolStatus, readonly [LucideIcon, string]>> = {
  streaming: [LoaderCircle, "its input is being written"],
  running: [LoaderCircle, "running"],
  done: [CircleCheck, "done"],
  error: [CircleX, "failed"],
  cut: [Ban, "cut short"],
};

interface ToolItemProps {
  readonly item: Item;
  /** Who was asked about it. */
  readonly permission: PermissionItem | undefined;
  /** How many steps its subagent took; undefined of a call that is none. */
  readonly steps: number | undefined;
  /** What its subagent did, made when the call is unfolded: a conversation is drawn by the room that has this one too. */
  readonly thread: (() => ReactNode) | undefined;
}

/** A tool call: a line, and when unfolded its input, its result and its subagent's conversation. */
export const ToolItem = memo(function ToolItem({ item, permission, steps, thread }: ToolItemProps) {
  const [StatusIcon, word] = STATUS[item.status];
  const denied = permission?.state === "denied";
  const active = (item.status === "streaming" || item.status === "running") && permission?.state !== "open";
  const diff = useMemo(() => (item.status === "error" ? undefined : editDiff(item.name, item.input, item.resultData)), [item]);
  return (
    <Disclosure
      id={item.key}
      className={`tool tool-${denied ? "denied" : item.status}`}
      openAtFirst={item.status === "error" && !denied}
      summary={
        <>
          <ToolLine name={item.name} input={item.input} />
          <span className="tool-aside">
            {diff && <DiffCount diff={diff} />}
            {permission && <Decision permission={permission} />}
            {steps !== undefined && <span className="muted">{steps} steps</span>}
            {item.elapsedS !== null && item.elapsedS >= 0.1 && <span className="muted numeric">{formatDuration(item.elapsedS)}</span>}
            {permission?.state !== "open" && <StatusIcon className={active ? "icon-sm spinning" : "icon-sm tool-status"} aria-label={word} />}
          </span>
        </>
      }
    >
      {() => <ToolBody item={item} permission={permission} thread={thread} />}
    </Disclosure>
  );
});

/** What came of the question whether it may, and how long that took. */
function Decision({ permission }: { readonly permission: PermissionItem }) {
  const { state, source, timestamp, decidedAt } = permission;
  if (state === "open") return <span className="tool-waits">needs you</span>;
  if (state === "closed") return <span className="muted">not decided</span>;
  const waited = timestamp !== null && decidedAt !== null ? (Date.parse(decidedAt) - Date.parse(timestamp)) / 1000 : 0;
  return (
    <span className={state === "denied" ? "tool-refused" : "muted"}>
      {state} {source === "human" ? "by you" : state === "denied" ? "by nobody's answer" : "by default"}
      {waited >= 1 && <span className="numeric">, waited {formatDuration(waited)}</span>}
    </span>
  );
}

function ToolBody({ item, permission, thread }: Pick<ToolItemProps, "item" | "permission" | "thread">) {
  if (item.status === "streaming" || (item.input === null && item.partialInput !== null)) {
    return <pre className="tool-text foreign">{item.partialInput ?? ""}</pre>;
  }
  const isCommand = item.name === "Bash";
  // An edit that succeeded has said all there is by its diff.
  const isQuiet = !item.isError && ["Edit", "MultiEdit", "Write", "NotebookEdit", "TodoWrite"].includes(item.name);
  // "[image]" stands for an image that is shown below.
  const onlyImages = /^(\s*\[image\]\s*)+$/.test(item.result ?? "") && contentImages(item.resultContent).length > 0;
  return (
    <>
      {!isToldInLine(item.name, item.input) && <ToolInput
        id={item.key}
        name={item.name}
        input={item.input}
        told={item.resultData}
        described
        output={isCommand && item.status !== "cut" && permission?.state !== "denied" ? item.result : null}
        isError={item.isError && item.status !== "cut"}
      />}
      {permission?.message && <p className="tool-note foreign">You said: {permission.message}</p>}
      {thread?.()}
      {item.result !== null && item.status !== "cut" && permission?.state !== "denied" && !isCommand && !isQuiet && !onlyImages && (
        <section className="tool-result" aria-label="Result">
          {isAgent(item.name) && <h3 className="tool-heading">Result</h3>}
          <ToolResult id={item.key} name={item.name} result={item.result} isError={item.isError} />
        </section>
      )}
      <ImageList content={item.resultContent} label={`Image from ${item.name}`} />
      {item.status === "cut" && <p className="muted">It was cut short: the turn or the run ended before it had a result.</p>}
    </>
  );
}
