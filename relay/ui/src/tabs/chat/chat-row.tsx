import { Brain, CircleAlert, CircleCheck, Info, TriangleAlert } from "lucide-react";
import type { LucideIcon } from "lucide-react";
import { memo, useContext, useMemo } from "react";
import { AskedRow } from "../../asks/asked-row";
import { PermissionCard } from "../../asks/permission-card";
import { QuestionCard } from "../../asks/question-card";
import { INTERRUPT_TYPE } from "../../model/notices";
import type { ChatItem, Level, NoticeItem, OutputItem, PermissionItem, ResultItem, TextItem, ThinkingItem } from "../../model/types";
import { sumOf, type FileChange } from "../../tools/changes";
import { Counts } from "../../tools/counts";
import { DiffView, Path } from "../../tools/diff-view";
import { ToolItem } from "../../tools/tool-item";
import { oneLine } from "../../tools/tool-summary";
import { Disclosure, LongText } from "../../ui/fold";
import { stripAnsi } from "../../text/ansi";
import { formatCost, formatCount, formatDuration } from "../../ui/format";
import { JsonView } from "../../ui/json-view";
import { Markdown } from "../../ui/markdown";
import { useSettled } from "../../ui/settled";
import { Terminal } from "../../ui/terminal";
import { Time } from "../../ui/time";
import { Acting } from "./acting";
import { CallGroup } from "./call-group";
import { CommandRow, CompactionRow, InterruptRow } from "./cli-rows";
import { MessageActions } from "./message-actions";
import type { Row } from "./rows";
import { Thread } from "./thread";
import { UserMessage } from "./user-message";

/** Between two drawings of a text that grows. */
const GROWING_MS = 60;
/** Nothing that people write is longer; shorter texts are never cut, since they were on the screen as they grew. */
const MAX_CHARS = 80_000;

interface ChatRowProps {
  readonly row: Row;
  /** Of a tool call: what its subagent did. */
  readonly thread: readonly ChatItem[] | undefined;
}

/** One row of the chat. */
export function ChatRow({ row, thread }: ChatRowProps) {
  const changes = useSame(row.kind === "item" ? row.changes : undefined);
  if (row.kind === "group") return <CallGroup id={row.key} calls={row.calls} />;
  return <ChatItemRow item={row.item} permission={row.permission} changes={changes} thread={thread} />;
}

interface ChatItemRowProps extends Pick<ChatRowProps, "thread"> {
  readonly item: ChatItem;
  /** Of a tool call: who was asked about it. */
  readonly permission: PermissionItem | undefined;
  readonly changes: readonly FileChange[] | undefined;
}

/** One item. Drawn again only when the item is another object. */
const ChatItemRow = memo(function ChatItemRow({ item, permission, changes, thread }: ChatItemRowProps) {
  const { runId, canAct, docked, contentAt } = useContext(Acting);
  switch (item.kind) {
    case "user":
      return <UserMessage item={item} content={item.earlier || item.unheard ? undefined : ownContent(contentAt(item.position), item.merged)} />;
    case "command":
      return <CommandRow item={item} />;
    case "compaction":
      return <CompactionRow item={item} />;
    case "text":
      return <AssistantText item={item} />;
    case "thinking":
      return <Thinking item={item} />;
    case "tool":
      return (
        <ToolItem
          item={item}
          permission={permission}
          steps={thread?.length}
          thread={thread && (() => <Thread items={thread} id={item.toolId} row={(step, below) => <ChatRow row={step} thread={below} />} />)}
        />
      );
    case "question":
      if (docked && canAct && item.state === "open") return <AskedRow item={item} />;
      return <QuestionCard runId={runId} item={item} canAct={canAct} />;
    case "permission":
      if (docked && canAct && item.state === "open") return <AskedRow item={item} />;
      return <PermissionCard runId={runId} item={item} canAct={canAct} />;
    case "notice":
      return item.eventType === INTERRUPT_TYPE ? <InterruptRow item={item} /> : <Notice item={item} />;
    case "output":
      return <Output item={item} />;
    case "result":
      return <TurnResult item={item} changes={changes ?? []} />;
  }
});

/** Without what the CLI told once more of messages before it. */
function ownContent(content: unknown, merged: number): unknown {
  return Array.isArray(content) ? content.slice(merged) : content;
}

function AssistantText({ item }: { readonly item: TextItem }) {
  return (
    <div className={item.earlier ? "assistant earlier" : "assistant"}>
      {item.earlier && <p className="muted">Before this run</p>}
      {item.partial ? (
        <GrowingMarkdown text={item.text} />
      ) : (
        <LongText id={item.key} text={item.text} maxLines={Infinity} maxChars={MAX_CHARS}>
          {(shown) => <Markdown text={shown} />}
        </LongText>
      )}
      {item.cut && <p className="muted">Cut short: the rest never came.</p>}
      {!item.partial && <MessageActions text={item.text} offset={item.offset} />}
    </div>
  );
}

function GrowingMarkdown({ text }: { readonly text: string }) {
  return <Markdown text={useSettled(text, GROWING_MS)} partial />;
}

function Thinking({ item }: { readonly item: ThinkingItem }) {
  return (
    <Disclosure
      id={item.key}
      className="thinking"
      summary={
        <>
          <Brain className="icon-sm" aria-hidden />
          <span>{item.partial ? "Thinking…" : "Thought"}</span>
          <bdi className="tool-subject">{item.partial ? lastLine(item.text) : oneLine(item.text)}</bdi>
        </>
      }
    >
      {() => (
        <LongText id={item.key} text={item.text} maxLines={Infinity} maxChars={MAX_CHARS}>
          {(shown) => (item.partial ? <GrowingMarkdown text={shown} /> : <Markdown text={shown} />)}
        </LongText>
      )}
    </Disclosure>
  );
}

/** What is being thought right now. */
function lastLine(text: string): string {
  const end = text.slice(-300).trimEnd();
  return end.slice(end.lastIndexOf("\n") + 1);
}

const LEVELS: Readonly<Record<Level, LucideIcon>> = {
  debug: Info, info: Info, warning: TriangleAlert, error: CircleAlert, success: CircleCheck,
};

function Notice({ item }: { readonly item: NoticeItem }) {
  const Icon = LEVELS[item.level];
  const line = (
    <>
      <Icon className="icon-sm" aria-label={item.level} />
      <bdi className="notice-text">{item.text}</bdi>
      <Time at={item.timestamp} show="clock" />
    </>
  );
  const className = `notice notice-${item.level}`;
  if (item.detail === null || item.detail === undefined) return <div className={className}>{line}</div>;
  return (
    <Disclosure id={item.key} className={className} summary={line} openAtFirst={item.level === "error"}>
      {() =>
        typeof item.detail === "string" ? <Terminal id={item.key} output={item.detail.trimEnd()} isError={item.level === "error"} label="Details" /> : <JsonView value={item.detail} />
      }
    </Disclosure>
  );
}

function Output({ item }: { readonly item: OutputItem }) {
  const parts = useMemo(() => item.parts.map(({ source, text }) => ({ text, isError: source === "stderr" })), [item.parts]);
  return <Terminal id={item.key} output={parts} label={item.parts.every((part) => part.source === "stderr") ? "Standard error" : "Output"} />;
}

function TurnResult({ item, changes }: { readonly item: ResultItem; readonly changes: readonly FileChange[] }) {
  const tokens = item.usage.output_tokens;
  const failed = item.isError && !item.interrupted;
  const facts = [
    item.durationS === null ? "" : formatDuration(item.durationS),
    item.turns ? `${item.turns} ${item.turns === 1 ? "step" : "steps"}` : "",
    tokens > 0 ? `${formatCount(tokens)} tokens written` : "",
    item.costUsd === null ? "" : `${formatCost(item.costUsd)} so far`,
    item.denials > 0 ? `${item.denials} denied` : "",
  ].filter(Boolean);
  return (
    <div className={failed ? "turn turn-failed" : "turn"}>
      <p className="turn-line">
        <span className="turn-word">{failed ? "Turn failed" : item.interrupted ? "Turn ended early" : "Turn done"}</span>
        <span className="numeric">{facts.join(" · ")}</span>
      </p>
      {changes.length > 0 && <TurnChanges id={item.key} files={changes} />}
      {failed && (item.text ?? item.subtype) && (
        <p className="turn-error plain-text foreign">{stripAnsi(item.text ?? item.subtype ?? "").trim().slice(0, MAX_CHARS)}</p>
      )}
    </div>
  );
}

/** `4 files changed +51 −12`; unfolded, each file, which unfolds to its diffs. */
function TurnChanges({ id, files }: { readonly id: string; readonly files: readonly FileChange[] }) {
  const sum = sumOf(files);
  return (
    <Disclosure
      id={`changes:${id}`}
      className="tool turn-changes"
      summary={
        <>
          <span className="numeric">
            {sum.files} {sum.files === 1 ? "file" : "files"} changed
          </span>
          <Counts added={sum.added} removed={sum.removed} />
        </>
      }
    >
      {() =>
        files.map((file) => (
          <Disclosure
            key={file.path}
            id={`changes:${id}:${file.path}`}
            className="tool"
            summary={
              <>
                <Path path={file.path} />
                <span className="tool-aside">
                  <Counts added={file.added} removed={file.removed} />
                </span>
              </>
            }
          >
            {() => file.edits.map(({ item, diff }) => <DiffView key={item.key} id={`turn:${item.key}`} diff={diff} bare />)}
          </Disclosure>
        ))
      }
    </Disclosure>
  );
}

/** The same array for as long as it tells of the same edits: rows are made anew with each event. */
function useSame(changes: readonly FileChange[] | undefined): readonly FileChange[] | undefined {
  const told = changes?.flatMap((file) => file.edits.map((edit) => edit.item.key)).join(" ");
  return useMemo(() => changes, [told]);
}
