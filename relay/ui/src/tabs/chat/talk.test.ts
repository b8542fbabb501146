import { expect, test } from "vitest";
import { talkOf, type TalkState } from "./talk";

const live: TalkState = { workflow: "claude", status: "running", end: null, replaying: false, resumable: true, messages: true };

test("a running agent takes messages and can be interrupted", () => {
  expect(talkOf(live)).toEqual({ refusal: null, reopens: false, agent: true, interruptible: true });
});

test("one that waits takes messages, and there is nothing to interrupt", () => {
  expect(talkOf({ ...live, status: "waiting" })).toMatchObject({ refusal: null, interruptible: false });
});

test("one that has ended is reopened, whoever knows that it ended", () => {
  expect(talkOf({ ...live, status: "completed" })).toMatchObject({ refusal: null, reopens: true, interruptible: false });
  expect(talkOf({ ...live, end: "failed" })).toMatchObject({ refusal: null, reopens: true, interruptible: false });
  expect(talkOf({ ...live, status: "completed", resumable: undefined, messages: undefined }).refusal).toBeNull();
});

test.each<[string, Partial<TalkState>]>([
  ["ended for good", { status: "completed", resumable: false }],
  ["removed", { end: "gone" }],
  ["replayed", { replaying: true }],
  ["written by someone else", { workflow: "external" }],
  ["of a workflow that reads none", { messages: false }],
])("nothing can be said to a run that is %s, and it says why", (_, state) => {
  expect(talkOf({ ...live, ...state }).refusal).toMatch(/\w+ .*\.$/);
});

test("a command takes messages, and has no turns", () => {
  expect(talkOf({ ...live, workflow: "command" })).toMatchObject({ refusal: null, agent: false, interruptible: false });
});
