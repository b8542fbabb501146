import { ChevronDown, ChevronRight, CircleCheck, CircleDashed, CircleSlash, CircleX } from "lucide-react";
import { useContext, useId, type ReactNode } from "react";

import { Markdown } from "../../ui/markdown";
import type { StepState, TaskStep } from "../../model/types";
import { fields as fieldsOf } from "../../model/values";
import { stripAnsi } from "../../text/ansi";
import { Badge } from "../../ui/badge";
import { JsonView } from "../../ui/json-view";
import { Progress } from "../../ui/progress";
import { Pulse } from "../../ui/status";
import { Folds } from "./folds";
import { isOpenAtFirst, type Counted, type Outlined } from "./outline";
import { StepTime } from "./step-time";

interface GroupStepProps {
  readonly item: Outlined;
  readonly step: Counted;
  readonly children: ReactNode;
}

const STATES: Readonly<Record<StepState, string>> = { planned: "planned", running: "running", completed: "done", failed: "failed", cut: "cut short" };

/** A node, a task or an iteration: a line, and what is in it when it is unfolded. */
export function GroupStep({ item, step, children }: GroupStepProps) {
  const folds = useContext(Folds);
  const body = useId();
  const open = folds.isOpen(step.key, isOpenAtFirst(item));
  return (
    <section className={`step step-${step.kind}`} data-state={step.state} aria-labelledby={`${body}name`}>
      <button
        type="button"
        className="step-head"
        data-step-toggle
        aria-expanded={open}
        aria-controls={open ? body : undefined}
        onClick={() => folds.choose(step.key, !open)}
      >
        {open ? <ChevronDown className="icon-sm" aria-hidden /> : <ChevronRight className="icon-sm" aria-hidden />}
        <StateIcon state={step.state} />
        <span id={`${body}name`} className="step-name">
          <span className="step-kind">{step.kind}</span> <bdi>{nameOf(step)}</bdi>
        </span>
        <bdi className="step-message">{open && step.state === "failed" ? "" : gistOf(step)}</bdi>
        <span className="step-facts">
          {isSkipped(step) && <Badge tone="careful">skipped</Badge>}
          {triesOf(step) > 0 && <Badge tone="careful">{triesOf(step) === 1 ? "1 retry" : `${triesOf(step)} retries`}</Badge>}
          <StepTime step={step} />
        </span>
      </button>
      {open && (
        <div id={body} className="step-body">
          {step.kind === "task" && <TaskBody step={step} />}
          {step.message && step.state === "failed" && (
            <p className="step-error">
              <bdi>{stripAnsi(step.message)}</bdi>
            </p>
          )}
          {children}
          {step.kind === "node" && <NodeOutputs outputs={step.outputs} />}
        </div>
      )}
    </section>
  );
}

function nameOf(step: Counted): string {
  if (step.kind !== "iteration") return step.name;
  return `${step.number ?? ""}${step.of === null ? "" : ` of ${step.of}`}`;
}

/** What it came to, or what it says last. */
function gistOf(step: Counted): string {
  const { finding } = step.kind === "task" ? fieldsOf(step.data) : {};
  if (typeof finding === "string" && step.state === "completed") return finding.trim().split("\n", 1)[0] ?? "";
  return step.message ?? "";
}

function isSkipped(step: Counted): boolean {
  return step.kind === "task" && step.state === "failed" && fieldsOf(step.data)["skipped"] === true;
}

function triesOf(step: Counted): number {
  return step.kind === "task" ? step.failedTries.length : 0;
}

function StateIcon({ state }: { readonly state: StepState }) {
  const label = STATES[state];
  const Icon = { completed: CircleCheck, failed: CircleX, cut: CircleSlash, planned: CircleDashed, running: undefined }[state];
  return (
    <span className="step-state" role="img" aria-label={label} title={label}>
      {Icon ? <Icon className="icon" aria-hidden /> : <Pulse />}
    </span>
  );
}

/** `finding` is what a research found; everything else a task tells stands as JSON. */
function TaskBody({ step }: { readonly step: TaskStep }) {
  const { finding, skipped, reason, iteration: _iteration, session_id: _session, attempt: _attempt, ...rest } = fieldsOf(step.data);
  const { depends_on: after, ...others } = rest;
  return (
    <>
      {/* What works by Claude's calls tells how far the run is, not the task. */}
      {step.progress !== null && step.session === null && step.state === "running" && <Progress value={step.progress} label={`Progress of ${step.name}`} />}
      {Array.isArray(after) && after.length > 0 && (
        <p className="muted">
          after <bdi>{after.map(String).join(", ")}</bdi>
        </p>
      )}
      {step.failedTries.length > 0 && (
        <ol className="step-tries" aria-label="Tries that failed">
          {step.failedTries.map((one, i) => (
            <li key={i}>
              <bdi>{one.message}</bdi>
            </li>
          ))}
        </ol>
      )}
      {typeof reason === "string" && step.state === "failed" && (
        <p>
          <Badge tone="bad">{reason}</Badge>
          {skipped === true && " The others go on without it."}
        </p>
      )}
      {typeof finding === "string" && <Markdown text={finding} />}
      {Object.keys(others).length > 0 && <JsonView value={others} />}
    </>
  );
}

/** Its `text` stands on the reason card too; the rest is what the next step builds on. */
function NodeOutputs({ outputs }: { readonly outputs: unknown }) {
  if (outputs === null || outputs === undefined || Object.keys(fieldsOf(outputs)).length === 0) return null;
  return (
    <details className="step-more">
      <summary>Outputs of the node</summary>
      <JsonView value={outputs} open={1} />
    </details>
  );
}
