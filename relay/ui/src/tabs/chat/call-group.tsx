import { memo } from "react";
import { ToolItem } from "../../tools/tool-item";
import { Disclosure } from "../../ui/fold";
import { formatDuration } from "../../ui/format";
import { wordsOf, type Call } from "./rows";

/** Calls that came one after another, in a line; unfolded, each in its own. */
export const CallGroup = memo(function CallGroup({ id, calls }: { readonly id: string; readonly calls: readonly Call[] }) {
  const { title, rest } = wordsOf(calls);
  const seconds = calls.reduce((sum, { item }) => sum + (item.elapsedS ?? 0), 0);
  return (
    <Disclosure
      id={id}
      className="tool tool-done tool-group"
      summary={
        <>
          <span className="tool-name">{title}</span>
          <span className="tool-subject">{rest}</span>
          <span className="tool-aside">{seconds >= 0.1 && <span className="muted numeric">{formatDuration(seconds)}</span>}</span>
        </>
      }
    >
      {() => (
        <ol className="thread-items">
          {calls.map(({ item, permission }) => (
            <li key={item.key} data-kind="tool">
              <ToolItem item={item} permission={permission} steps={undefined} thread={undefined} />
            </li>
          ))}
        </ol>
      )}
    </Disclosure>
  );
});
