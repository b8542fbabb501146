import { ChevronDown, ChevronRight, File, FileJson, FileText, Folder, FolderOpen, Image, Link2, Lock, ScrollText } from "lucide-react";
import { useState } from "react";

import type { FileEntry } from "../../api";
import { formatBytes } from "../../ui/format";
import { Time } from "../../ui/time";
import { useKeys } from "../../ui/keys";
import { kindOf } from "./kind";
import type { TreeLine } from "./tree";

interface FileTreeProps {
  readonly lines: readonly TreeLine[];
  readonly selected: string | null;
  readonly onSelect: (entry: FileEntry) => void;
  readonly onFold: (path: string, unfold: boolean) => void;
  readonly onMore: (path: string) => void;
}

type EntryLine = Extract<TreeLine, { kind: "entry" }>;

const itemId = (line: number) => `file-${line}`;

/** The workspace as a tree. j, k and the arrows move and fold; Enter opens. */
export function FileTree({ lines, selected, onSelect, onFold, onMore }: FileTreeProps) {
  const [active, setActive] = useState<string | null>(selected);
  const entries = lines.filter((line) => line.kind === "entry");
  const at = entries.findIndex((line) => line.key === active);
  const current = entries[at];

  const go = (line: EntryLine | undefined) => {
    if (!line) return;
    setActive(line.key);
    document.getElementById(itemId(lines.indexOf(line)))?.scrollIntoView({ block: "nearest" });
  };
  const move = (step: number) => go(entries[Math.min(entries.length - 1, Math.max(0, at + step))]);
  const open = (line: EntryLine | undefined) => {
    if (!line) return;
    setActive(line.key);
    if (line.entry.type === "folder") onFold(line.key, !line.unfolded);
    else onSelect(line.entry);
  };
  const fold = (line: EntryLine | undefined) => {
    if (line?.unfolded) onFold(line.key, false);
    else if (line) go(entries.findLast((one, i) => i < at && one.level < line.level));
  };
  const unfold = (line: EntryLine | undefined) => {
    if (line?.entry.type !== "folder") return;
    if (line.unfolded) move(1);
    else onFold(line.key, true);
  };

  // The arrows mean something else where the preview or the replay bar has the focus.
  const here = (command: () => void) => (event: KeyboardEvent) => {
    const target = event.target as HTMLElement;
    if (target !== document.body && !target.closest("[role=tree]")) return false;
    return command();
  };
  useKeys({
    j: () => move(1),
    k: () => move(-1),
    ArrowDown: here(() => move(1)),
    ArrowUp: here(() => move(-1)),
    ArrowLeft: here(() => fold(current)),
    ArrowRight: here(() => unfold(current)),
    Home: here(() => move(-Infinity)),
    End: here(() => move(Infinity)),
    Enter: here(() => open(current)),
  });

  return (
    <div
      role="tree"
      className="file-tree"
      aria-label="Files of the run"
      tabIndex={0}
      aria-activedescendant={current ? itemId(lines.indexOf(current)) : undefined}
    >
      {lines.map((line, i) => {
        if (line.kind === "note") return <Note key={line.key} line={line} onMore={onMore} />;
        const first = line.isRecord && !(lines[i - 1] as EntryLine | undefined)?.isRecord;
        return (
          <Entry
            key={line.key}
            id={itemId(i)}
            line={line}
            heading={first}
            active={line === current}
            selected={line.key === selected}
            onOpen={() => open(line)}
          />
        );
      })}
    </div>
  );
}

function Note({ line, onMore }: { readonly line: Extract<TreeLine, { kind: "note" }>; readonly onMore: (path: string) => void }) {
  const { more } = line;
  return (
    <div role="none" className="file-note" style={{ paddingInlineStart: indent(line.level) }}>
      {more === undefined ? (
        <span className="muted">{line.text}</span>
      ) : (
        <button type="button" onClick={() => onMore(more)}>
          {line.text}
        </button>
      )}
    </div>
  );
}

interface EntryProps {
  readonly id: string;
  readonly line: EntryLine;
  readonly heading: boolean;
  readonly active: boolean;
  readonly selected: boolean;
  readonly onOpen: () => void;
}

function Entry({ id, line, heading, active, selected, onOpen }: EntryProps) {
  const { entry } = line;
  const isFolder = entry.type === "folder";
  const Icon = iconOf(line);
  return (
    <>
      {heading && (
        <div role="none" className="file-heading">
          Record of the run
        </div>
      )}
      <div
        role="treeitem"
        id={id}
        aria-level={line.level}
        aria-posinset={line.position}
        aria-setsize={line.size}
        aria-selected={selected}
        aria-expanded={isFolder ? line.unfolded : undefined}
        className={`file-item${active ? " active" : ""}${selected ? " selected" : ""}`}
        data-type={entry.type}
        style={{ paddingInlineStart: indent(line.level) }}
        title={title(entry)}
        onClick={onOpen}
      >
        {isFolder ? line.unfolded ? <ChevronDown className="icon-sm" aria-hidden /> : <ChevronRight className="icon-sm" aria-hidden /> : <span className="icon-sm" />}
        <Icon className="icon" aria-hidden />
        <bdi className="file-name">{entry.name}</bdi>
        {entry.type === "symlink" && <span className="file-kind">link</span>}
        {entry.type === "other" && <span className="file-kind">special</span>}
        {entry.type === "file" && <span className="file-size numeric">{formatBytes(entry.size)}</span>}
        <span className="file-time">
          <Time at={entry.mtime} />
        </span>
      </div>
    </>
  );
}

function title(entry: FileEntry): string {
  if (entry.type === "symlink") return `${entry.path}: a symlink, which is not followed`;
  return entry.type === "other" ? `${entry.path}: neither a file nor a folder` : entry.path;
}

const indent = (level: number) => `calc(var(--space-2) + ${Math.min(level - 1, 12)} * 1rem)`;

function iconOf({ entry, unfolded, isRecord }: EntryLine) {
  if (entry.type === "folder") return unfolded ? FolderOpen : Folder;
  if (entry.type === "symlink") return Link2;
  if (entry.type === "other") return Lock;
  if (isRecord) return ScrollText;
  return { image: Image, markdown: FileText, json: FileJson, jsonl: FileJson, text: File }[kindOf(entry.name)];
}
