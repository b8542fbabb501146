import { Link2 } from "lucide-react";
import { useContext } from "react";
import { CopyButton } from "../../ui/copy";
import { IconButton } from "../../ui/button";
import { copyText, linkTo } from "../../ui/place-link";
import { Acting } from "./acting";

/** What can be done with a message: seen while one points at it. */
export function MessageActions({ text, offset }: { readonly text: string; readonly offset: number }) {
  const { runId } = useContext(Acting);
  return (
    <span className="message-actions">
      <CopyButton text={text} label="Copy as Markdown" />
      {offset > 0 && <IconButton size="sm" icon={Link2} label="Copy a link to this message" onClick={() => copyText(linkTo(`/runs/${runId}/chat`, offset), "Copied a link to this message")} />}
    </span>
  );
}
