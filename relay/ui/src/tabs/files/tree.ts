import type { FileEntry } from "../../api";
import type { FolderState } from "./queries";

const SHOWN_ENTRIES = 500;

/** Of the run's own folder; the relay lists them beside the workspace. */
const RECORDS = new Set(["run.json", "_stream.jsonl", "_inbox.jsonl", "_stderr.log"]);

/** A line of the tree. `level` starts at 1. */
export type TreeLine =
  | { readonly kind: "entry"; readonly key: string; readonly level: number; readonly entry: FileEntry; readonly unfolded: boolean; readonly position: number; readonly size: number; readonly isRecord: boolean }
  | { readonly kind: "note"; readonly key: string; readonly level: number; readonly text: string; readonly more?: string };

/** How many of its entries a folder shows at first, and how many more each time it is asked for more. */
export type Shown = ReadonlyMap<string, number>;

/** The tree as lines from top to bottom: folders first, then files, then what is hidden or was made by tools, the records of the run last. */
export function linesOfTree(folders: ReadonlyMap<string, FolderState>, unfolded: ReadonlySet<string>, shown: Shown): readonly TreeLine[] {
  const lines: TreeLine[] = [];
  addFolder("", 1);
  return lines;

  function addFolder(path: string, level: number): void {
    const { listing, error } = folders.get(path) ?? { listing: undefined, error: null };
    const note = (text: string, more?: string) =>
      lines.push({ kind: "note", key: `${path}/ ${text}`, level, text, ...(more === undefined ? {} : { more }) });
    if (!listing) {
      note(error ? error.message : "Loading…");
      return;
    }
    const entries = sorted(listing.entries);
    const limit = shown.get(path) ?? SHOWN_ENTRIES;
    entries.slice(0, limit).forEach((entry, i) => {
      const open = entry.type === "folder" && unfolded.has(entry.path);
      const isRecord = isRecordOf(entry);
      lines.push({ kind: "entry", key: entry.path, level, entry, unfolded: open, position: i + 1, size: entries.length, isRecord });
      if (open) addFolder(entry.path, level + 1);
    });
    if (entries.length === 0) note("Empty");
    if (entries.length > limit) note(`Show more (${entries.length - limit})`, path);
    else if (listing.truncated) note(`Only the first ${entries.length} entries are listed`);
  }
}

export function nextShown(shown: Shown, path: string): Shown {
  return new Map(shown).set(path, (shown.get(path) ?? SHOWN_ENTRIES) + SHOWN_ENTRIES);
}

function isRecordOf(entry: FileEntry): boolean {
  return entry.type === "file" && RECORDS.has(entry.path);
}

/** What tools make for themselves: nobody opens the files of a run to look at that first. */
function isAside(name: string): boolean {
  return name.startsWith(".") || ASIDE.has(name);
}

const ASIDE = new Set(["__pycache__", "node_modules", "venv", "dist", "build", "target", "coverage"]);
const NAMES = new Intl.Collator("en", { numeric: true });

function sorted(entries: readonly FileEntry[]): readonly FileEntry[] {
  const rank = (entry: FileEntry) => (isRecordOf(entry) ? 3 : isAside(entry.name) ? 2 : entry.type === "folder" ? 0 : 1);
  return entries.toSorted((a, b) => rank(a) - rank(b) || NAMES.compare(a.name, b.name));
}
