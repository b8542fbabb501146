/** The answers to a question of the shape of AskUserQuestion: what is chosen in the form, and what is sent. */

import type { Fields, Question } from "../model/types";

/** What is chosen for one question: labels of its options, and words of one's own. */
export interface Choice {
  readonly labels: readonly string[];
  readonly other: string;
  /** Whether `other` counts: always when it is the only way to answer. */
  readonly usesOther: boolean;
}

/** The form as it opens: the defaults are chosen. A default that is no option stands in the free text. */
export function defaultChoice(question: Question, defaults: Fields): Choice {
  const given = defaults[question.question];
  const texts = (Array.isArray(given) ? given : [given]).filter((text): text is string => typeof text === "string" && text !== "");
  const known = new Set(question.options.map((option) => option.label));
  const labels = texts.filter((text) => known.has(text)).slice(0, question.multiSelect ? undefined : 1);
  const other = texts.filter((text) => !known.has(text)).join(", ");
  return { labels, other, usesOther: question.options.length === 0 || (other !== "" && (question.multiSelect || labels.length === 0)) };
}

/** Choose an option, or take it back where several may be chosen. */
export function toggleLabel(question: Question, choice: Choice, label: string): Choice {
  if (!question.multiSelect) return { ...choice, labels: [label], usesOther: false };
  const labels = choice.labels.includes(label) ? choice.labels.filter((one) => one !== label) : [...choice.labels, label];
  // In the order of the options, whatever the order of the clicks.
  return { ...choice, labels: question.options.map((option) => option.label).filter((one) => labels.includes(one)) };
}

export function toggleOther(question: Question, choice: Choice): Choice {
  if (question.multiSelect) return { ...choice, usesOther: !choice.usesOther };
  return { ...choice, labels: [], usesOther: true };
}

export function isAnswered(choice: Choice): boolean {
  return choice.usesOther ? choice.other.trim() !== "" : choice.labels.length > 0;
}

/** As `POST …/answers` takes it: a label or text for each question; a list where several may be chosen. */
export function answersOf(questions: readonly Question[], choices: readonly Choice[]): Readonly<Record<string, string | readonly string[]>> {
  return Object.fromEntries(
    questions.map((question, index) => {
      const { labels, other, usesOther } = choices[index] ?? { labels: [], other: "", usesOther: false };
      const texts = usesOther && other.trim() !== "" ? [...labels, other.trim()] : labels;
      return [question.question, question.multiSelect ? texts : (texts[0] ?? "")];
    }),
  );
}

/** An answer as people read it. */
export function answerText(answer: unknown): string {
  if (Array.isArray(answer)) return answer.length === 0 ? "none" : answer.map(String).join(", ");
  if (answer === undefined || answer === null || answer === "") return "no answer";
  return typeof answer === "string" ? answer : JSON.stringify(answer);
}
