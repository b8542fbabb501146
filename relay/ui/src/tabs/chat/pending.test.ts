import { expect, test } from "vitest";
import type { ChatItem, Receipt, ReceiptState, UserItem } from "../../model/types";
import { canTakeBack, hasUnheard, pendingMessages, type Sent, withWords } from "./pending";

const sent = (id: string, state: Sent["state"] = "accepted"): Sent => ({
  id, text: `text of ${id}`, state, reason: null, resume: false, delivery: "steer",
});
const receipt = (id: string, state: ReceiptState, shown = false, reason: string | null = null): [string, Receipt] => [
  id,
  { messageId: id, state, reason, messageType: "message", timestamp: null, shown },
];
const said = (text: string): ChatItem =>
  ({
    kind: "user", merged: 0, key: "k", position: 0, offset: 1, timestamp: null, parent: null, session: null, messageId: "other", text, receipt: null,
  }) satisfies UserItem;

test("a message goes from sending to what its receipts tell", () => {
  expect(pendingMessages([sent("a", "sending")], new Map(), [])[0]?.state).toBe("sending");
  expect(pendingMessages([sent("a")], new Map(), [])[0]?.state).toBe("accepted");
  expect(pendingMessages([sent("a")], new Map([receipt("a", "queued")]), [])[0]?.state).toBe("queued");
});

test("a receipt that came before the answer to the call counts, also if the call failed", () => {
  const failed = { ...sent("a", "failed"), reason: "no answer" };
  expect(pendingMessages([failed], new Map([receipt("a", "queued")]), [])).toEqual([
    { id: "a", text: "text of a", state: "queued", reason: null },
  ]);
});

test("what the chat has as an item is not shown twice", () => {
  expect(pendingMessages([sent("a")], new Map([receipt("a", "delivered", true)]), [])).toEqual([]);
});

test("messages that came as one line with a later one are not shown twice", () => {
  const receipts = new Map([receipt("a", "completed"), receipt("b", "completed", true)]);
  expect(pendingMessages([sent("a"), sent("b")], receipts, [said("text of a\ntext of b")])).toEqual([]);
  expect(pendingMessages([sent("a")], receipts, [said("something else")])[0]?.state).toBe("completed");
});

test("a dropped one stays, with its reason", () => {
  const receipts = new Map([receipt("a", "dropped", false, "the run ended")]);
  expect(pendingMessages([sent("a")], receipts, [said("text of a")])).toEqual([
    { id: "a", text: "text of a", state: "dropped", reason: "the run ended" },
  ]);
});

test("what others sent shows while it waits; answers and commands don't", () => {
  const stop = receipt("s", "queued");
  const receipts = new Map([receipt("a", "queued"), receipt("b", "completed"), [stop[0], { ...stop[1], messageType: "stop" }] as const]);
  expect(pendingMessages([], receipts, [])).toEqual([{ id: "a", text: null, state: "queued", reason: null }]);
});

test("only what waits can be taken back", () => {
  expect((["accepted", "queued"] as const).every(canTakeBack)).toBe(true);
  expect((["sending", "delivered", "completed", "dropped", "failed"] as const).some(canTakeBack)).toBe(false);
});

test("what the agent did not repeat has its words from the inbox", () => {
  const unheard = { ...said(""), messageId: "a", unheard: true } as UserItem;
  const chat = [said("first"), unheard];
  expect(hasUnheard(chat)).toBe(true);
  expect(withWords(chat, new Map([["a", "words"]])).map((item) => item.kind === "user" && item.text)).toEqual(["first", "words"]);
  expect(withWords([said("first")], new Map([["other", "words"]]))).toEqual([said("first")]);
  expect(withWords(chat, new Map())).toBe(chat);
});
