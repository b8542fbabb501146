import { expect, test } from "vitest";
import type { RunSummary } from "../stream/types";
import { lookAt, newsOf } from "./news";

const look = (...runs: [id: string, status: RunSummary["status"], open?: number][]) =>
  lookAt(runs.map(([run_id, status, open_questions = 0]) => ({ run_id, status, open_questions }) as RunSummary));

test.each([
  ["a question that came", look(["a", "running"]), look(["a", "waiting", 1]), ["a asking"]],
  ["one more question", look(["a", "waiting", 1]), look(["a", "waiting", 2]), ["a asking"]],
  ["the same question", look(["a", "waiting", 1]), look(["a", "waiting", 1]), []],
  ["one question fewer", look(["a", "waiting", 2]), look(["a", "waiting", 1]), []],
  ["a run at rest", look(["a", "running"]), look(["a", "waiting"]), []],
  ["ends", look(["a", "running"], ["b", "running"], ["c", "running"]), look(["a", "failed"], ["b", "completed"], ["c", "stopped"]), ["a failed", "b completed"]],
  ["what was over before", look(), look(["a", "failed"], ["b", "completed"]), []],
  ["a new run that asks at once", look(), look(["a", "waiting", 1]), ["a asking"]],
  ["a run that went on and ended again", look(["a", "completed"]), look(["a", "completed"]), []],
] as const)("%s", (_, before, now, expected) => expect(newsOf(before, now).map(({ runId, what }) => `${runId} ${what}`)).toEqual(expected));
