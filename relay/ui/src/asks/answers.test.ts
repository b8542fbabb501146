import { expect, test } from "vitest";
import type { Question } from "../model/types";
import { answersOf, answerText, defaultChoice, isAnswered, toggleLabel, toggleOther } from "./answers";

const option = (label: string) => ({ label, description: null });
const one: Question = { question: "Which?", header: "Pick", options: [option("A"), option("B")], multiSelect: false };
const many: Question = { ...one, question: "Which ones?", multiSelect: true };
const free: Question = { ...one, question: "Why?", options: [] };

test("the defaults are chosen at first, and are sent if nothing is changed", () => {
  const defaults = { "Which?": "B", "Which ones?": ["A", "B"], "Why?": "because" };
  const questions = [one, many, free];
  const choices = questions.map((question) => defaultChoice(question, defaults));
  expect(answersOf(questions, choices)).toEqual(defaults);
  expect(choices.every(isAnswered)).toBe(true);
});

test("a default that is no option stands in the free text", () => {
  expect(defaultChoice(one, { "Which?": "C" })).toEqual({ labels: [], other: "C", usesOther: true });
  expect(defaultChoice(one, {})).toEqual({ labels: [], other: "", usesOther: false });
  expect(defaultChoice(one, { "Which?": 7 }).labels).toEqual([]);
});

test("where one may be chosen, an option takes the place of the other, and of the free text", () => {
  const first = toggleLabel(one, defaultChoice(one, {}), "A");
  const own = { ...toggleOther(one, first), other: " mine " };
  expect(answersOf([one], [own])).toEqual({ "Which?": "mine" });
  expect(answersOf([one], [toggleLabel(one, own, "B")])).toEqual({ "Which?": "B" });
});

test("where several may be chosen they come in the order of the options, own words last", () => {
  let choice = toggleLabel(many, defaultChoice(many, {}), "B");
  choice = toggleLabel(many, choice, "A");
  choice = { ...toggleOther(many, choice), other: "C" };
  expect(answersOf([many], [choice])).toEqual({ "Which ones?": ["A", "B", "C"] });
  expect(answersOf([many], [toggleLabel(many, toggleOther(many, choice), "A")])).toEqual({ "Which ones?": ["B"] });
});

test("an empty free text is no answer", () => {
  expect(isAnswered(toggleOther(one, defaultChoice(one, {})))).toBe(false);
  expect(isAnswered(defaultChoice(many, {}))).toBe(false);
});

test.each([
  ["A", "A"],
  [["A", "B"], "A, B"],
  [[], "none"],
  [null, "no answer"],
  [{ a: 1 }, '{"a":1}'],
])("%j reads as %s", (answer, text) => {
  expect(answerText(answer)).toBe(text);
});
