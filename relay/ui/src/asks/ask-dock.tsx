import { ChevronLeft, ChevronRight, MessageCircleQuestion, ShieldQuestion } from "lucide-react";
import { useRef, useState } from "react";
import type { PermissionItem, QuestionItem } from "../model/types";
import { IconButton } from "../ui/button";
import { KeptState } from "../ui/kept";
import { Countdown, Drain } from "./countdown";
import { Allow, PermissionForm } from "./permission-card";
import { QuestionForm, thenOf } from "./question-card";
import { useDecision } from "./use-decision";
import "./cards.css";

interface AskDockProps {
  readonly runId: string;
  readonly questions: readonly QuestionItem[];
  readonly permissions: readonly PermissionItem[];
  /** Whether keys decide wherever the focus is: of one dock on a page. */
  readonly keys?: boolean;
}

// What was begun in a form outlives its being put away, for as long as the page is open.
const kept = new Map<string, unknown>();

/**
 * What a run asks, where one talks to it, whatever tab is open: the oldest first, its buttons always to be seen. Digits
 * and letters decide as long as nobody types.
 */
export function AskDock({ runId, questions, permissions, keys = true }: AskDockProps) {
  const [wanted, setWanted] = useState<string>();
  const box = useRef<HTMLElement>(null);
  const asked = [...questions, ...permissions].sort((a, b) => a.position - b.position);
  const at = Math.max(0, asked.findIndex((item) => item.key === wanted));
  const item = asked[at];
  if (item === undefined) return null;
  const go = (step: number) => setWanted(asked[(at + step + asked.length) % asked.length]?.key);
  return (
    <KeptState.Provider value={kept}>
      <section ref={box} className="dock" aria-label="What it asks" tabIndex={-1}>
        <div className="dock-card" data-ask={item.kind === "question" ? item.questionId : item.requestId}>
          <header className="dock-head">
            {item.kind === "question" ? <MessageCircleQuestion className="icon" aria-hidden /> : <ShieldQuestion className="icon" aria-hidden />}
            <h2>{item.kind === "permission" ? <Allow item={item} /> : item.questions.length === 1 ? <bdi>{item.questions[0]?.question}</bdi> : `${item.questions.length} questions need your answer`}</h2>
            {asked.length > 1 && (
              <span className="dock-steps numeric">
                <IconButton size="sm" icon={ChevronLeft} label="The one before" onClick={() => go(-1)} />
                {at + 1} of {asked.length}
                <IconButton size="sm" icon={ChevronRight} label="The next one" onClick={() => go(1)} />
              </span>
            )}
            {item.deadline !== null && (
              <>
                <Countdown deadline={item.deadline} timeoutS={item.timeoutS} then={item.kind === "question" ? thenOf(item) : "denied"} />
                <Drain deadline={item.deadline} timeoutS={item.timeoutS} />
              </>
            )}
          </header>
          <div className="dock-body">
            {item.kind === "question" ? (
              <QuestionForm key={item.key} runId={runId} item={item} canAct docked keys={keys} onSent={() => box.current?.focus({ preventScroll: true })} />
            ) : (
              <DockedPermission key={item.key} runId={runId} item={item} keys={keys} onSent={() => box.current?.focus({ preventScroll: true })} />
            )}
          </div>
        </div>
      </section>
    </KeptState.Provider>
  );
}

interface DockedPermissionProps {
  readonly runId: string;
  readonly item: PermissionItem;
  readonly keys: boolean;
  readonly onSent: () => void;
}

function DockedPermission({ runId, item, keys, onSent }: DockedPermissionProps) {
  const decision = useDecision(runId, item, true, onSent);
  return <PermissionForm item={item} canAct decision={decision} keys={keys} />;
}
