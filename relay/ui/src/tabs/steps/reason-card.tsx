import { Lightbulb } from "lucide-react";
import { memo } from "react";

import { safeHref } from "../../ui/links";
import { Markdown } from "../../ui/markdown";
import type { ReasonStep } from "../../model/types";
import { fields as fieldsOf } from "../../model/values";
import { Badge, type Tone } from "../../ui/badge";
import { Card } from "../../ui/card";
import { formatClock, formatDuration } from "../../ui/format";
import { JsonView } from "../../ui/json-view";
import { Progress } from "../../ui/progress";
import { isEmpty } from "./empty";

const PRIORITIES: Readonly<Record<string, Tone>> = { high: "bad", medium: "careful", low: "neutral" };

/** What an agent decided, and why. */
export const ReasonCard = memo(function ReasonCard({ step }: { readonly step: ReasonStep }) {
  return (
    <Card
      className="reason"
      icon={Lightbulb}
      title={<bdi>{step.agent ?? "Reason"}</bdi>}
      aside={
        <>
          {step.category && (
            <Badge title="Category">
              <bdi>{step.category}</bdi>
            </Badge>
          )}
          {step.priority && (
            <Badge tone={PRIORITIES[step.priority] ?? "neutral"} title="Priority">
              <bdi>{step.priority}</bdi> priority
            </Badge>
          )}
          {step.durationMs !== null && <span className="numeric">{formatDuration(step.durationMs / 1000)}</span>}
          {step.startedAt && <time dateTime={step.startedAt}>{formatClock(step.startedAt)}</time>}
        </>
      }
    >
      {step.decision && (
        <p className="reason-decision">
          <bdi>{step.decision}</bdi>
        </p>
      )}
      {step.confidence !== null && <Confidence value={step.confidence} />}
      {step.reasoning && (
        <div className="reason-part">
          <h4>Reasoning</h4>
          <Markdown text={step.reasoning} />
        </div>
      )}
      <Items name="Alternatives considered" items={step.alternatives} />
      <Items name="References" items={step.references} />
      <Values name="Inputs" value={step.inputs} />
      <Values name="Outputs" value={step.outputs} />
    </Card>
  );
});

function Confidence({ value }: { readonly value: number }) {
  return (
    <div className="reason-confidence">
      <span className="muted">Confidence</span>
      <Progress value={100 * value} label="Confidence" tone="neutral" />
      <span className="numeric">{Math.round(100 * value)} %</span>
    </div>
  );
}

function Items({ name, items }: { readonly name: string; readonly items: readonly unknown[] }) {
  if (items.length === 0) return null;
  return (
    <div className="reason-part">
      <h4>{name}</h4>
      <ul>
        {items.map((item, i) => (
          <li key={i}>{typeof item === "string" ? <Line text={item} /> : <JsonView value={item} open={1} />}</li>
        ))}
      </ul>
    </div>
  );
}

function Line({ text }: { readonly text: string }) {
  const href = safeHref(text);
  if (href === undefined) return <bdi>{text}</bdi>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      <bdi>{text}</bdi>
    </a>
  );
}

/** Of what has one text alone that text, as Markdown; else JSON. */
function Values({ name, value }: { readonly name: string; readonly value: unknown }) {
  if (isEmpty(value)) return null;
  const fields = fieldsOf(value);
  const text = typeof value === "string" ? value : Object.keys(fields).length === 1 ? fields["text"] : undefined;
  return (
    <details className="reason-part">
      <summary>{name}</summary>
      {typeof text === "string" ? <Markdown text={text} /> : <JsonView value={value} open={2} />}
    </details>
  );
}
