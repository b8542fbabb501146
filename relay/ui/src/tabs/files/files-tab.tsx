import { FolderSearch } from "lucide-react";
import { useMemo, useState } from "react";
import type { FileEntry } from "../../api";
import { EmptyState } from "../../ui/card";
import type { TabProps } from "../tab";
import { FileTree } from "./file-tree";
import { Preview } from "./preview";
import { useFolders, useRefresh } from "./queries";
import { linesOfTree, nextShown, type Shown } from "./tree";
import "./files.css";

interface Place {
  readonly selected: string | null;
  readonly unfolded: ReadonlySet<string>;
}

const START: Place = { selected: null, unfolded: new Set() };

/** Where someone was in the files of a run, for as long as the page is open: the tab comes and goes. */
const places = new Map<string, Place>();

/** The workspace: a tree, and the file that is chosen in it. */
export function FilesTab({ runId, log, position }: TabProps) {
  const [{ selected, unfolded }, setPlace] = useState(places.get(runId) ?? START);
  const [shown, setShown] = useState<Shown>(new Map());
  useRefresh(runId, log);
  const folders = useFolders(runId, useMemo(() => ["", ...unfolded], [unfolded]));
  const lines = linesOfTree(folders, unfolded, shown);

  const change = (place: Partial<Place>) => {
    const next = { ...(places.get(runId) ?? START), ...place };
    places.set(runId, next);
    setPlace(next);
  };
  const fold = (path: string, unfold: boolean) => {
    const after = new Set(unfolded);
    if (unfold) after.add(path);
    else after.delete(path);
    change({ unfolded: after });
  };
  const line = lines.find((one) => one.kind === "entry" && one.key === selected);
  const entry = line?.kind === "entry" ? line.entry : undefined;

  return (
    <section className="files" aria-label="Files" data-open={entry !== undefined || undefined}>
      {position !== undefined && (
        <p className="files-note" role="note">
          Files are shown as they are now: the log does not keep how they were before.
        </p>
      )}
      <FileTree
        key={runId}
        lines={lines}
        selected={selected}
        onSelect={(chosen) => change({ selected: chosen.path })}
        onFold={fold}
        onMore={(path) => setShown(nextShown(shown, path))}
      />
      <div className="files-preview">
        {entry ? (
          <Shows key={entry.path} runId={runId} entry={entry} onBack={() => change({ selected: null })} />
        ) : (
          <EmptyState icon={FolderSearch} title="No file chosen">
            {selected === null ? "Choose one in the tree to see what is in it." : "The file that was chosen is not there any more."}
          </EmptyState>
        )}
      </div>
    </section>
  );
}

function Shows(props: { readonly runId: string; readonly entry: FileEntry; readonly onBack: () => void }) {
  if (props.entry.type === "file") return <Preview {...props} />;
  return (
    <EmptyState title={props.entry.type === "symlink" ? "A symlink" : "A special file"}>
      {props.entry.type === "symlink" ? "It is shown, and not followed: it may lead out of the workspace." : "A socket, a pipe or a device: there is nothing to show."}
    </EmptyState>
  );
}
