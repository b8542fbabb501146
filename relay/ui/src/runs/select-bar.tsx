import { Columns2, X } from "lucide-react";
import { Link } from "wouter";
import { IconButton } from "../ui";

/** What can be done with the selected runs. */
export function SelectBar({ selected, onClear }: { readonly selected: readonly string[]; readonly onClear: () => void }) {
  return (
    <div className="select-bar" role="region" aria-label="Selected runs">
      {selected.length === 2 ? (
        <Link href={`/compare/${selected.join("/")}`} className="button button-primary button-md">
          <Columns2 className="icon" aria-hidden />
          Compare the two
        </Link>
      ) : (
        <p role="status">1 selected: select another to compare the two</p>
      )}
      <IconButton icon={X} label="Clear the selection" onClick={onClear} />
    </div>
  );
}
