import { ChevronDown, FileDiff as FileDiffIcon } from "lucide-react";
import { useMemo, useState } from "react";
import { Link } from "wouter";
import { changesInTurn, changesOf, sumOf, type FileChange } from "../../tools/changes";
import { DiffView, Path } from "../../tools/diff-view";
import { Button } from "../../ui/button";
import { EmptyState } from "../../ui/card";
import { Disclosure } from "../../ui/fold";
import { keptOf, KeptState } from "../../ui/kept";
import { Menu } from "../../ui/menu";
import type { TabProps } from "../tab";
import { Counts } from "../../tools/counts";
import "./changes.css";

/** With so few files their diffs are open from the start. */
const FEW_FILES = 3;

/** What the run changed in files so far: by its edits, not by what else it may have run. */
export function ChangesTab({ runId, model }: TabProps) {
  const [turn, setTurn] = useState<number | null>(null);
  const all = useMemo(() => changesOf(model.chat, model.threads), [model.chat, model.threads]);
  const files = useMemo(() => (turn === null ? all : changesInTurn(all, turn)), [all, turn]);
  const turns = useMemo(() => [...new Set(all.flatMap((file) => file.edits.map((edit) => edit.turn)))].sort((a, b) => a - b), [all]);
  const sum = sumOf(files);
  if (all.length === 0) {
    return (
      <EmptyState icon={FileDiffIcon} title="No file was edited">
        Edits that an agent makes stand here, with their diffs. What commands change is under Files.
      </EmptyState>
    );
  }
  return (
    <KeptState value={keptOf(`changes ${runId}`)}>
      <section className="changes" aria-label="Changes">
        <header className="changes-head">
          <span className="numeric">
            {sum.files} {sum.files === 1 ? "file" : "files"}
          </span>
          <Counts added={sum.added} removed={sum.removed} />
          {turns.length > 1 && (
            <Menu
              label={turn === null ? "All turns" : `Turn ${turn}`}
              className="button button-ghost button-sm changes-turn"
              items={[
                { label: "All turns", checked: turn === null, onSelect: () => setTurn(null) },
                ...turns.map((each) => ({ label: `Turn ${each}`, checked: each === turn, onSelect: () => setTurn(each) })),
              ]}
            >
              {turn === null ? "All turns" : `Turn ${turn}`}
              <ChevronDown className="icon-sm" aria-hidden />
            </Menu>
          )}
        </header>
        <div className="changes-files">
          {files.map((file) => (
            <ChangedFile key={`${turn} ${file.path}`} runId={runId} file={file} turn={turn} open={files.length <= FEW_FILES} />
          ))}
          {files.length === 0 && (
            <p className="muted">
              Nothing in this turn. <Button size="sm" onClick={() => setTurn(null)}>All turns</Button>
            </p>
          )}
        </div>
      </section>
    </KeptState>
  );
}

function ChangedFile({ runId, file, turn, open }: { readonly runId: string; readonly file: FileChange; readonly turn: number | null; readonly open: boolean }) {
  return (
    <Disclosure
      id={`changed:${turn}:${file.path}`}
      className="changed"
      openAtFirst={open}
      summary={
        <>
          <Path path={file.path} />
          <span className="changed-counts">
            <Counts added={file.added} removed={file.removed} />
          </span>
        </>
      }
    >
      {() =>
        file.edits.map(({ item, diff, turn: when }) => (
          <div key={item.key} className="changed-edit" data-offset={item.offset}>
            <p className="changed-where">
              <Link href={`/runs/${runId}/chat?at=${item.offset}`}>
                {item.name} in turn {when}
              </Link>
            </p>
            <DiffView id={`changes:${item.key}`} diff={diff} bare />
          </div>
        ))
      }
    </Disclosure>
  );
}
