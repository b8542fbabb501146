import { FoldVertical, Hand } from "lucide-react";
import type { CommandItem, CompactionItem, NoticeItem } from "../../model/types";
import { Disclosure } from "../../ui/fold";
import { formatCount } from "../../ui/format";
import { Markdown } from "../../ui/markdown";
import { Terminal } from "../../ui/terminal";
import { Time } from "../../ui/time";

/** A slash command as a person typed it, and what the CLI answered by itself. */
export function CommandRow({ item }: { readonly item: CommandItem }) {
  const typed = `${item.name} ${item.args}`.trim();
  return (
    <div className="command">
      {typed !== "" && (
        <div className="bubble">
          <code className="command-typed foreign">{typed}</code>
          <p className="bubble-foot">
            <Time at={item.timestamp} show="clock" />
          </p>
        </div>
      )}
      {item.output !== null && item.output.trim() !== "" && (
        <Terminal id={item.key} output={item.output.trimEnd()} isError={item.isError} label={`Output of ${typed || "a command"}`} />
      )}
    </div>
  );
}

/** The place where the conversation was summarized: how much it was, how much it is, and the summary. */
export function CompactionRow({ item }: { readonly item: CompactionItem }) {
  const tokens = [item.tokensBefore, item.tokensAfter].flatMap((count) => (count === null ? [] : [formatCount(count)]));
  const line = (
    <>
      <FoldVertical className="icon-sm" aria-hidden />
      <span className="notice-text">
        Conversation summarized
        {tokens.length > 0 && <span className="numeric">: {tokens.join(" → ")} tokens</span>}
        <span className="muted">
          {" "}
          {item.command === null ? item.auto && "to fit the model" : <code className="foreign">{item.command}</code>}
        </span>
      </span>
      <Time at={item.timestamp} show="clock" />
    </>
  );
  const { summary } = item;
  if (summary === null) return <div className="notice compaction">{line}</div>;
  return (
    <Disclosure id={item.key} className="notice compaction" summary={line}>
      {() => <Markdown text={summary} />}
    </Disclosure>
  );
}

/** Where a turn was ended before its time. */
export function InterruptRow({ item }: { readonly item: NoticeItem }) {
  return (
    <div className="notice interrupt">
      <Hand className="icon-sm" aria-hidden />
      <span className="notice-text">{item.text}</span>
      <Time at={item.timestamp} show="clock" />
    </div>
  );
}
