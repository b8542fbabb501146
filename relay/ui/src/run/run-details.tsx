import type { ReactNode } from "react";
import type { RunView } from "../api";
import type { RunModelSnapshot } from "../model/types";
import { CopyButton, Duration, formatCost, formatCount, formatWhole, Time } from "../ui";

interface RunDetailsProps {
  readonly runId: string;
  readonly workflowName: string | null | undefined;
  readonly createdAt: string | undefined;
  readonly model: RunModelSnapshot;
  readonly view: RunView | undefined;
}

/** What few look for each time: ids, counts, limits. */
export function RunDetails({ runId, workflowName, createdAt, model, view }: RunDetailsProps) {
  const { totals } = model;
  const limits = Object.entries(view?.limits ?? {}).map(([name, value]) => `${name} ${value}`);
  return (
    <dl className="run-details" aria-label="Details of the run">
      <Fact name="workflow">{workflowName}</Fact>
      <Fact name="run">
        <code>{runId}</code>
        <CopyButton text={runId} label="Copy the run id" />
      </Fact>
      <Fact name="deployment">{view?.deployment}</Fact>
      <Fact name="schedule">{view?.schedule}</Fact>
      <Fact name="due">{view?.due_at && <Time at={view.due_at} show="moment" />}</Fact>
      <Fact name="created">{createdAt && <Time at={createdAt} show="moment" />}</Fact>
      <Fact name="cost">{totals.costUsd !== null && formatCost(totals.costUsd)}</Fact>
      <Fact name="duration">{model.startedAt && <Duration seconds={model.durationS} since={model.attemptAt ?? model.startedAt} />}</Fact>
      <Fact name="attempt">{model.attempt > 0 && model.attempt}</Fact>
      <Fact name="model">{model.model}</Fact>
      <Fact name="session">{model.sessionId && <code>{model.sessionId}</code>}</Fact>
      <Fact name="turns">{totals.turns > 0 && formatWhole(totals.turns)}</Fact>
      <Fact name="tool calls">{totals.toolCalls > 0 && formatWhole(totals.toolCalls)}</Fact>
      <Fact name="tokens">{totals.tokens !== null && formatCount(totals.tokens)}</Fact>
      <Fact name="events">{formatWhole(totals.events)}</Fact>
      <Fact name="limits">{limits.join(", ")}</Fact>
    </dl>
  );
}

/** Left out where there is nothing to say. */
function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  if (children === null || children === undefined || children === false || children === "") return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd className="foreign">{children}</dd>
    </div>
  );
}
