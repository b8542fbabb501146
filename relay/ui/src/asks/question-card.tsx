import { MessageCircleQuestion } from "lucide-react";
import { memo, useId, useRef, useState, type FormEvent } from "react";
import { answerQuestion, Problem } from "../api";
import type { Question, QuestionItem } from "../model/types";
import { Badge } from "../ui/badge";
import { Button } from "../ui/button";
import { Card } from "../ui/card";
import { useKept } from "../ui/kept";
import { Key } from "../ui/key";
import { useKeys } from "../ui/keys";
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
    item.deadline !== null && <Countdown deadline={item.deadline} timeoutS={item.timeoutS} then={thenOf(item)} />
  ) : (
    <Badge tone={OUTCOME[item.state as keyof typeof OUTCOME][0]}>{OUTCOME[item.state as keyof typeof OUTCOME][1]}</Badge>
  );
  return (
    <div ref={box} className={`ask ask-${item.state}`} data-ask={item.questionId} tabIndex={-1}>
      <Card title={title} icon={MessageCircleQuestion} tone={open ? "careful" : "neutral"} aside={aside}>
        {open ? <QuestionForm runId={runId} item={item} canAct={canAct} onSent={() => box.current?.focus({ preventScroll: true })} /> : <Answers item={item} />}
      </Card>
    </div>
  );
});

/** What counts if nobody answers, in short. */
export function thenOf({ questions, defaults }: QuestionItem): string {
  const first = questions[0];
  const told = first === undefined ? undefined : defaults[first.question];
  if (told === undefined || told === null || told === "") return "the defaults";
  return questions.length > 1 ? `${answerText(told)} …` : answerText(told);
}

const NO_CHOICE: Choice = { labels: [], other: "", usesOther: false };

interface QuestionFormProps extends QuestionCardProps {
  /** Whether digits choose and Enter answers wherever the focus is. */
  readonly keys?: boolean;
  /** In a dock, whose head has put a single question. */
  readonly docked?: boolean;
  readonly onSent: () => void;
}

/** The form of open questions. */
export function QuestionForm({ runId, item, canAct, keys = false, docked = false, onSent }: QuestionFormProps) {
  const [choices, setChoices] = useKept<readonly Choice[]>(`answers:${item.questionId}`, () =>
    item.questions.map((question) => defaultChoice(question, item.defaults)),
  );
  const [phase, setPhase] = useState<"open" | "sending" | "sent" | "late">("open");
  const [error, setError] = useState<unknown>();
  /** The question that digits are for. */
  const [at, setAt] = useState(0);
  const complete = item.questions.every((_, index) => isAnswered(choices[index] ?? NO_CHOICE));
  const choose = (index: number, choice: Choice) => setChoices(item.questions.map((_, place) => (place === index ? choice : (choices[place] ?? NO_CHOICE))));

  const submit = async (event?: FormEvent) => {
    event?.preventDefault();
    if (!complete || phase !== "open" || !canAct) return;
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

  const [only] = item.questions;
  /** A single question with options: what else one says stands in the row of the button. */
  const alone = docked && item.questions.length === 1;

  const digit = (number: number) => () => {
    const question = item.questions[at];
    const option = question?.options[number - 1];
    if (question === undefined || option === undefined || phase !== "open") return false;
    choose(at, toggleLabel(question, choices[at] ?? NO_CHOICE, option.label));
    if (!question.multiSelect) setAt(Math.min(item.questions.length - 1, at + 1));
    return undefined;
  };
  const digits = Object.fromEntries(Array.from({ length: 9 }, (_, index) => [String(index + 1), digit(index + 1)]));
  useKeys(
    keys
      ? {
          ...digits,
          Enter: () => void submit(),
          Tab: (event) => {
            if (item.questions.length < 2 || event.shiftKey || document.activeElement !== document.body) return false;
            return setAt((at + 1) % item.questions.length);
          },
        }
      : {},
    true,
  );

  return (
    <form className="ask-form" onSubmit={submit}>
      <div className="ask-questions">
        {item.questions.map((question, index) => (
          <QuestionField
            key={index}
            question={question}
            choice={choices[index] ?? NO_CHOICE}
            isDefault={(label) => [item.defaults[question.question]].flat().includes(label)}
            disabled={!canAct || phase !== "open"}
            keys={keys && index === at}
            told={alone}
            onFocus={() => setAt(index)}
            onChange={(choice) => choose(index, choice)}
          />
        ))}
      </div>
      {error !== undefined && <ProblemNote error={error} />}
      {phase === "late" && <p role="status">Someone was faster: it has been answered, or its time was over.</p>}
      {phase === "sent" && <p role="status">Sent. The run is about to take it in.</p>}
      {canAct ? (
        <div className="ask-actions">
          {alone && only ? (
            <OtherText question={only} choice={choices[0] ?? NO_CHOICE} disabled={phase !== "open"} onChange={(choice) => choose(0, choice)} />
          ) : (
            !complete && <span className="muted">Every question needs an answer</span>
          )}
          <Button
            type="submit"
            variant="primary"
            className="ask-answer"
            busy={phase === "sending"}
            disabled={!complete || phase === "sent" || phase === "late"}
            {...(keys && { "aria-keyshortcuts": "Enter" })}
          >
            Answer {keys && <Key name="⏎" />}
          </Button>
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
  /** Whether digits choose among its options now. */
  readonly keys: boolean;
  /** Whether the question itself, and the box for another answer, stand elsewhere. */
  readonly told: boolean;
  readonly onFocus: () => void;
  readonly onChange: (choice: Choice) => void;
}

function QuestionField({ question, choice, isDefault, disabled, keys, told, onFocus, onChange }: QuestionFieldProps) {
  const name = useId();
  const type = question.multiSelect ? "checkbox" : "radio";
  const hasOptions = question.options.length > 0;
  return (
    <fieldset className="ask-question" disabled={disabled} data-current={keys || undefined} onFocus={onFocus}>
      <legend className={told ? "sr-only" : undefined}>
        {question.header && (
          <Badge>
            <bdi>{question.header}</bdi>
          </Badge>
        )}{" "}
        <bdi className="ask-text">{question.question}</bdi>
        {question.multiSelect && <span className="muted"> (any number)</span>}
      </legend>
      {hasOptions && (
        <div className="ask-options">
          {question.options.map((option, index) => (
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
              {keys && index < 9 && <Key name={String(index + 1)} />}
            </label>
          ))}
        </div>
      )}
      {!told && (
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
          <OtherText question={question} choice={choice} disabled={disabled} onChange={onChange} />
        </label>
      )}
    </fieldset>
  );
}

/** An answer in words of one's own; typed, it counts, and emptied it does not. */
function OtherText({ question, choice, disabled, onChange }: Pick<QuestionFieldProps, "question" | "choice" | "disabled" | "onChange">) {
  const hasOptions = question.options.length > 0;
  return (
    <input
      type="text"
      className="input ask-own"
      value={choice.other}
      disabled={disabled}
      placeholder={hasOptions ? "Something else…" : "Your answer"}
      aria-label={hasOptions ? "Your own answer" : question.question}
      onChange={(event) => {
        const other = event.target.value;
        const turns = other === "" ? choice.usesOther : !choice.usesOther;
        onChange({ ...(turns ? toggleOther(question, choice) : choice), other });
      }}
    />
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
