import { MessageCircleQuestion } from "lucide-react";
import { memo, useId, useRef, useState, type FormEvent } from "react";
import { answerQuestion, Problem } from "../api";
import type { Question, QuestionItem } from "../model/types";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card } from "../ui/card";
import { useKept } from "../ui/kept";
import { ProblemNote } from "../ui/problem";
import { answersOf, answerText, defaultChoice, isAnswered, toggleLabel, toggleOther, type Choice } from "./answers";
import { Countdown } from "./countdown";
import "./cards.css";

interface QuestionCardProps {
  readonly runId: string;
  readonly item: QuestionItem;
  /** Whether it can be answered now: not in a replay. */
  readonly canAct: boolean;
}

const OUTCOME = {
  answered: ["good", "Answered by a person"],
  defaulted: ["neutral", "Nobody answered in time: the defaults count"],
  closed: ["neutral", "The run ended before it was answered"],
} as const;

/** Questions to people: a form while they are open, and then what was answered and by whom. */
export const QuestionCard = memo(function QuestionCard({ runId, item, canAct }: QuestionCardProps) {
  const box = useRef<HTMLDivElement>(null);
  const open = item.state === "open";
  const title = item.questions.length === 1 ? "A question" : `${item.questions.length} questions`;
  const aside = open ? (
    item.deadline !== null && <Countdown deadline={item.deadline} timeoutS={item.timeoutS} then="the defaults are taken" />
  ) : (
    <Badge tone={OUTCOME[item.state as keyof typeof OUTCOME][0]}>{OUTCOME[item.state as keyof typeof OUTCOME][1]}</Badge>
  );
  return (
    <div ref={box} className={`ask ask-${item.state}`} data-ask={item.questionId} tabIndex={-1}>
      <Card title={title} icon={MessageCircleQuestion} tone={open ? "careful" : "neutral"} aside={aside}>
        {open ? <Form runId={runId} item={item} canAct={canAct} onSent={() => box.current?.focus({ preventScroll: true })} /> : <Answers item={item} />}
      </Card>
    </div>
  );
});

function Form({ runId, item, canAct, onSent }: QuestionCardProps & { readonly onSent: () => void }) {
  const [choices, setChoices] = useKept<readonly Choice[]>(`answers:${item.questionId}`, () =>
    item.questions.map((question) => defaultChoice(question, item.defaults)),
  );
  const [phase, setPhase] = useState<"open" | "sending" | "sent" | "late">("open");
  const [error, setError] = useState<unknown>();
  const complete = item.questions.every((_, index) => isAnswered(choices[index] ?? { labels: [], other: "", usesOther: false }));

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    if (!complete || phase !== "open") return;
    setPhase("sending");
    setError(undefined);
    try {
      await answerQuestion(runId, item.questionId, answersOf(item.questions, choices));
      setPhase("sent");
      onSent();
    } catch (problem) {
      const late = problem instanceof Problem && problem.status === 409;
      setPhase(late ? "late" : "open");
      if (!late) setError(problem);
    }
  };

  return (
    <form className="ask-form" onSubmit={submit}>
      {item.questions.map((question, index) => (
        <QuestionField
          key={index}
          question={question}
          choice={choices[index] ?? { labels: [], other: "", usesOther: false }}
          isDefault={(label) => [item.defaults[question.question]].flat().includes(label)}
          disabled={!canAct || phase !== "open"}
          onChange={(choice) => setChoices(item.questions.map((_, at) => (at === index ? choice : (choices[at] as Choice))))}
        />
      ))}
      {error !== undefined && <ProblemNote error={error} />}
      {phase === "late" && <p role="status">Someone was faster: it has been answered, or its time was over.</p>}
      {phase === "sent" && <p role="status">Sent. The run is about to take it in.</p>}
      {canAct ? (
        <div className="ask-actions">
          <Button type="submit" variant="primary" busy={phase === "sending"} disabled={!complete || phase === "sent" || phase === "late"}>
            Answer
          </Button>
          {!complete && <span className="muted">Every question needs an answer</span>}
        </div>
      ) : (
        <p className="muted">It can't be answered here: the run is over, or replayed.</p>
      )}
    </form>
  );
}

interface QuestionFieldProps {
  readonly question: Question;
  readonly choice: Choice;
  readonly isDefault: (label: string) => boolean;
  readonly disabled: boolean;
  readonly onChange: (choice: Choice) => void;
}

function QuestionField({ question, choice, isDefault, disabled, onChange }: QuestionFieldProps) {
  const name = useId();
  const type = question.multiSelect ? "checkbox" : "radio";
  const hasOptions = question.options.length > 0;
  return (
    <fieldset className="ask-question" disabled={disabled}>
      <legend>
        {question.header && (
          <Badge>
            <bdi>{question.header}</bdi>
          </Badge>
        )}{" "}
        <bdi className="ask-text">{question.question}</bdi>
        {question.multiSelect && <span className="muted"> (any number)</span>}
      </legend>
      {question.options.map((option) => (
        <label key={option.label} className="ask-option">
          <input
            type={type}
            name={name}
            checked={choice.labels.includes(option.label)}
            onChange={() => onChange(toggleLabel(question, choice, option.label))}
          />
          <span className="ask-option-text">
            <bdi className="ask-option-label">{option.label}</bdi>
            {isDefault(option.label) && <span className="muted"> (default)</span>}
            {option.description && <bdi className="ask-option-description">{option.description}</bdi>}
          </span>
        </label>
      ))}
      <label className="ask-option ask-other">
        {hasOptions && (
          <input
            type={type}
            name={name}
            checked={choice.usesOther}
            aria-label="Something else"
            onChange={() => onChange(toggleOther(question, choice))}
          />
        )}
        <input
          type="text"
          className="input"
          value={choice.other}
          placeholder={hasOptions ? "Something else" : "Your answer"}
          aria-label={hasOptions ? "Your own answer" : question.question}
          onChange={(event) => {
            const other = event.target.value;
            const turned = choice.usesOther || other === "" ? choice : toggleOther(question, choice);
            onChange({ ...turned, other });
          }}
        />
      </label>
    </fieldset>
  );
}

function Answers({ item }: { readonly item: QuestionItem }) {
  const answers = item.answers ?? {};
  return (
    <dl className="ask-answers">
      {item.questions.map((question, index) => (
        <div key={index}>
          <dt>
            <bdi>{question.question}</bdi>
          </dt>
          <dd>
            <bdi>{item.state === "closed" ? "not answered" : answerText(answers[question.question])}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}
