import { ChevronRight } from "lucide-react";
import { createContext, useContext, useId, type ReactNode } from "react";
import { formatWhole } from "./format";
import { useKept } from "./kept";
import "./fold.css";

const MORE_CHARS = 200_000;

interface DisclosureProps {
  /** By it the tab remembers whether it is open. */
  readonly id: string;
  /** Always to be seen: what it is. */
  readonly summary: ReactNode;
  readonly openAtFirst?: boolean;
  readonly className?: string;
  /** Made only while it is open. */
  readonly children: () => ReactNode;
}

/** That all lines were unfolded, or folded, at once: which time it was, and whether they are open since. */
export interface AllFolds {
  readonly time: number;
  readonly open: boolean | null;
}

export const Folds = createContext<AllFolds>({ time: 0, open: null });

/** A line that unfolds. */
export function Disclosure(props: DisclosureProps) {
  const { time, open } = useContext(Folds);
  // What one did with it counts until the next time that all are unfolded or folded.
  return <Fold key={time} {...props} id={`${time}:${props.id}`} openAtFirst={open ?? props.openAtFirst ?? false} />;
}

function Fold({ id, summary, openAtFirst = false, className = "", children }: DisclosureProps) {
  const [open, setOpen] = useKept(`open:${id}`, openAtFirst);
  const bodyId = useId();
  return (
    <div className={`disclosure ${className}`}>
      <button
        type="button"
        className="disclosure-summary"
        aria-expanded={open}
        aria-controls={open ? bodyId : undefined}
        onClick={() => setOpen(!open)}
      >
        <ChevronRight className="icon-sm disclosure-mark" aria-hidden />
        {summary}
      </button>
      {open && (
        <div id={bodyId} className="disclosure-body">
          {children()}
        </div>
      )}
    </div>
  );
}

interface LongTextProps {
  readonly id: string;
  readonly text: string;
  readonly maxLines: number;
  readonly maxChars: number;
  /** Shows the part that is to be seen. */
  readonly children: (shown: string) => ReactNode;
}

/** The head of a text, and a button for more of it. */
export function LongText({ id, text, maxLines, maxChars, children }: LongTextProps) {
  const [more, setMore] = useKept(`more:${id}`, 0);
  const shown = more === 0 ? headOf(text, maxLines, maxChars) : text.slice(0, more * MORE_CHARS);
  const hidden = text.length - shown.length;
  return (
    <>
      {children(shown)}
      {hidden > 0 && (
        <button type="button" className="show-more" onClick={() => setMore(more + 1)}>
          Show more ({formatWhole(hidden)} characters)
        </button>
      )}
      {more > 0 && (
        <button type="button" className="show-more" onClick={() => setMore(0)}>
          Show less
        </button>
      )}
    </>
  );
}

/** The first lines, or fewer if they are long. The whole text if what is left would not be worth a button. */
export function headOf(text: string, maxLines: number, maxChars: number): string {
  let end = 0;
  for (let line = 0; line < maxLines; line += 1) {
    const next = text.indexOf("\n", end);
    if (next < 0 || next > maxChars) {
      end = Math.min(text.length, maxChars);
      break;
    }
    end = next + 1;
  }
  const rest = text.length - end;
  const few = rest < maxChars / 10 && (text.slice(end).match(/\n/g)?.length ?? 0) < maxLines / 5;
  return few ? text : text.slice(0, end);
}
