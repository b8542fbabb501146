import { useState } from "react";
import { answerPermission, Problem } from "../api";
import type { PermissionItem } from "../model/types";
import { useKept } from "../ui/kept";
import { parseInput } from "./updated-input";

/** A decision on a permission, from the first thought to what became of it. */
export interface PendingDecision {
  /** `late`: someone else, or the clock, was faster. */
  readonly phase: "open" | "allow" | "deny" | "sent" | "late";
  readonly error: unknown;
  readonly able: boolean;
  /** The input as it is being changed; null: it is left as it was. */
  readonly draft: string | null;
  readonly setDraft: (draft: string | null) => void;
  /** What is wrong with the draft. */
  readonly problem: string | undefined;
  /** Which of the suggestions count from now on, if it is allowed: their places in the list. */
  readonly lasting: readonly number[];
  readonly setLasting: (lasting: readonly number[]) => void;
  readonly reason: string;
  readonly setReason: (reason: string) => void;
  /** `rules`: the suggestions that count from now on, in place of `lasting`. */
  readonly decide: (decision: "allow" | "deny", rules?: readonly number[]) => Promise<void>;
}

/** `onSent`: the decision is in the inbox, and the buttons are of no use any more. */
export function useDecision(runId: string, item: PermissionItem, canAct: boolean, onSent: () => void): PendingDecision {
  const [phase, setPhase] = useState<PendingDecision["phase"]>("open");
  const [error, setError] = useState<unknown>();
  const [lasting, setLasting] = useKept<readonly number[]>(`lasting:${item.requestId}`, []);
  const [reason, setReason] = useKept(`reason:${item.requestId}`, "");
  const [draft, setDraft] = useKept<string | null>(`input:${item.requestId}`, null);
  const updated = draft === null ? undefined : parseInput(item.toolName, item.input, draft);
  const problem = updated && "problem" in updated ? updated.problem : undefined;
  const able = canAct && phase === "open";

  const decide = async (decision: "allow" | "deny", chosen: readonly number[] = lasting): Promise<void> => {
    if (!able || (decision === "allow" && problem !== undefined)) return;
    setPhase(decision);
    setError(undefined);
    const changed = decision === "allow" && updated && "input" in updated ? { updated_input: updated.input } : {};
    const rules =
      decision === "allow" && chosen.length > 0 ? { updated_permissions: chosen.map((index) => item.suggestions[index]) } : {};
    const told = decision === "deny" && reason.trim() !== "" ? { message: reason.trim() } : {};
    const shown = item.inputSha256 === null ? {} : { input_sha256: item.inputSha256 };
    try {
      await answerPermission(runId, item.requestId, { decision, ...shown, ...told, ...changed, ...rules });
      setPhase("sent");
      onSent();
    } catch (refused) {
      const late = refused instanceof Problem && refused.status === 409;
      setPhase(late ? "late" : "open");
      if (!late) setError(refused);
    }
  };

  return { phase, error, able, draft, setDraft, problem, lasting, setLasting, reason, setReason, decide };
}
