import { TriangleAlert } from "lucide-react";
import type { ReactNode } from "react";
import { Problem } from "../api/problem";
import "./card.css";

interface ProblemNoteProps {
  readonly error: unknown;
  /** A button that tries again, say. */
  readonly children?: ReactNode;
}

/** What went wrong, in the words of who knows it. */
export function ProblemNote({ error, children }: ProblemNoteProps) {
  const faults = error instanceof Problem ? error.faults : [];
  return (
    <div className="problem" role="alert">
      <TriangleAlert className="icon" aria-hidden />
      <div className="problem-body">
        <p>{error instanceof Error ? error.message : String(error)}</p>
        {faults.length > 0 && (
          <ul>
            {faults.map((fault, index) => (
              <li key={index}>
                {fault.where && <code>{fault.where}</code>} {fault.detail}
              </li>
            ))}
          </ul>
        )}
        {children}
      </div>
    </div>
  );
}
