import { CircleStop, Columns2, Trash2, X } from "lucide-react";
import { useState } from "react";
import { Link } from "wouter";
import type { RunSummary } from "../stream/types";
import { Button, Confirm, IconButton, isEnded } from "../ui";
import { useCommand, useRemove } from "./actions";

/** What can be done with the selected runs, however many. */
export function SelectBar({ selected, onClear }: { readonly selected: readonly RunSummary[]; readonly onClear: () => void }) {
  const [asked, setAsked] = useState<"stop" | "delete">();
  const command = useCommand();
  const remove = useRemove();
  const ended = selected.filter((run) => isEnded(run.status));
  const active = selected.filter((run) => !isEnded(run.status));
  const act = () => {
    if (asked === "stop") for (const { run_id } of active) command.mutate({ runId: run_id, command: "stop" });
    else for (const { run_id } of ended) remove.mutate(run_id);
    setAsked(undefined);
    onClear();
  };
  const [one, two] = selected;
  return (
    <div className="select-bar" role="region" aria-label="Selected runs">
      <p role="status" className="numeric">
        {selected.length} selected
      </p>
      {selected.length === 2 && one && two && (
        <Link href={`/compare/${one.run_id}/${two.run_id}`} className="button button-primary button-md">
          <Columns2 className="icon" aria-hidden />
          Compare the two
        </Link>
      )}
      {active.length > 0 && (
        <Button icon={CircleStop} onClick={() => setAsked("stop")}>
          Stop {active.length}
        </Button>
      )}
      {ended.length > 0 && (
        <Button variant="danger" icon={Trash2} onClick={() => setAsked("delete")}>
          Delete {ended.length}
        </Button>
      )}
      <IconButton icon={X} label="Clear the selection" onClick={onClear} />
      {asked === "stop" && (
        <Confirm title={`Stop ${runs(active.length)}?`} action="Stop" danger onConfirm={act} onClose={() => setAsked(undefined)}>
          <p>They and all that they started will end.</p>
        </Confirm>
      )}
      {asked === "delete" && (
        <Confirm title={`Delete ${runs(ended.length)}?`} action="Delete" danger onConfirm={act} onClose={() => setAsked(undefined)}>
          <p>Their logs and files will be gone for good.</p>
        </Confirm>
      )}
    </div>
  );
}

function runs(count: number): string {
  return count === 1 ? "1 run" : `${count} runs`;
}
