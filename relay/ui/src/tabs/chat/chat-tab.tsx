import { MessageSquare } from "lucide-react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { commandRun, takeBackMessage, useRunView, useWorkflow, type RunView } from "../../api";
import { lineOf } from "../../model";
import { EmptyState } from "../../ui/card";
import { Folds, type AllFolds } from "../../ui/fold";
import { asObject } from "../../ui/json";
import { keptOf, KeptState } from "../../ui/kept";
import { useKeys } from "../../ui/keys";
import { ProblemNote } from "../../ui/problem";
import { Markdown } from "../../ui/markdown";
import { isEnded, Pulse } from "../../ui/status";
import type { TabProps } from "../tab";
import { Acting } from "./acting";
import { Announcer } from "./announcer";
import { ChatList, type ChatListHandle } from "./chat-list";
import { Composer } from "./composer";
import { forget, sayAgain, useOutbox } from "./outbox";
import { useInboxWords } from "./inbox-words";
import { hasUnheard, hasUnknownWords, pendingMessages, withWords } from "./pending";
import { rowsOf } from "./rows";
import { talkOf } from "./talk";
import { Threads } from "./thread";
import { PendingMessage } from "./user-message";
import "./chat.css";

/** Two presses of Esc within this time interrupt. */
const DOUBLE_ESC_MS = 600;

/** The conversation with a run: what was said, what it did, what it asks, and a box to talk to it. */
export function ChatTab({ runId, log, model, position, at, docked }: TabProps) {
  const replaying = position !== undefined;
  const ended = isEnded(model.status) || isEnded(log.end) || log.end === "gone";
  const canAct = !replaying && !ended;
  const view = useRunView(runId).data;
  const { status, messages } = model;
  const workflow = model.workflow ?? view?.workflow ?? null; // a queued run has told nothing yet
  const { resumable, messages: readsMessages } = useWorkflow(workflow) ?? {};
  const talk = useMemo(
    () => talkOf({ workflow, status, end: log.end, replaying, resumable, messages: readsMessages }),
    [workflow, status, log.end, replaying, resumable, readsMessages],
  );

  const list = useRef<ChatListHandle>(null);
  const kept = useMemo(() => keptOf(`chat ${runId}`), [runId]);
  const events = useRef(log.events);
  events.current = log.events;
  const acting = useMemo(
    () => ({
      runId,
      canAct,
      docked,
      contentAt: (at: number) => asObject(lineOf(events.current[at]?.event ?? {})["message"])["content"],
    }),
    [runId, canAct, docked],
  );

  const outbox = useOutbox(runId);
  const unheard = hasUnheard(model.chat);
  const words = useInboxWords(runId, unheard || (!replaying && hasUnknownWords(outbox, messages)), messages.size);
  const spoken = useMemo(() => withWords(model.chat, words), [model.chat, words]);
  const pending = useMemo(
    () => (replaying ? [] : pendingMessages(outbox, messages, model.chat, words)),
    [replaying, outbox, messages, model.chat, words],
  );
  useForgetShown(runId, outbox, messages);

  const [problem, setProblem] = useState<unknown>();
  const takeBack = useCallback(
    (id: string) => {
      setProblem(undefined);
      takeBackMessage(runId, id).catch(setProblem);
    },
    [runId],
  );
  const [interruptingAt, setInterruptingAt] = useState<number>();
  const interrupting = interruptingAt !== undefined && talk.interruptible && interruptingAt === model.totals.turns;
  const interrupt = useCallback(() => {
    setProblem(undefined);
    setInterruptingAt(model.totals.turns);
    commandRun(runId, "interrupt").catch((error: unknown) => {
      setInterruptingAt(undefined);
      setProblem(error);
    });
  }, [runId, model.totals.turns]);
  const onEscape = useDoubleEscape(talk.interruptible ? interrupt : undefined);
  const chat = useRef(model.chat);
  chat.current = model.chat;
  const said = useCallback(() => chat.current.flatMap((item) => (item.kind === "user" && !item.earlier ? [item.text] : [])).reverse(), []);
  const toEnd = useCallback(() => list.current?.toEnd(), []);

  const [folds, setFolds] = useState<AllFolds>(() => (kept.get("folds") as AllFolds | undefined) ?? { time: 0, open: null });
  const foldAll = (open: boolean) => {
    const next = { time: folds.time + 1, open };
    kept.set("folds", next);
    setFolds(next);
  };
  useKeys({ o: () => foldAll(true), O: () => foldAll(false) });

  const { questions, permissions } = model;
  const asks = useMemo(
    () => (canAct && !docked ? [...questions.map((one) => one.questionId), ...permissions.map((one) => one.requestId)] : []),
    [canAct, docked, questions, permissions],
  );
  const rows = useMemo(() => rowsOf(spoken, model.threads, docked && canAct), [spoken, model.threads, docked, canAct]);
  const resting = model.attempt === 0 && model.turn?.running === false; // of a run that others write its turns alone tell
  const working = canAct && model.status === "running" && !resting && !isGrowing(model.chat.at(-1));
  const prompt = replaying || ended || !talk.agent || model.chat.some((item) => item.kind === "user" || item.kind === "command" || item.kind === "text") ? "" : promptOf(view);
  const empty = model.chat.length === 0 && pending.length === 0 && prompt === "";

  return (
    <Acting value={acting}>
      <KeptState value={kept}>
        <Folds value={folds}>
        <Threads value={model.threads}>
          <div className="chat" onKeyDown={onEscape}>
            <ChatList ref={list} id={runId} key={useEpoch(log.events)} rows={rows} threads={model.threads} asks={asks} at={log.caughtUp ? at : undefined}>
              {empty && log.caughtUp && (
                <EmptyState icon={MessageSquare} title={ended ? "Nothing was said" : "Nothing has been said yet"} />
              )}
              {prompt !== "" && (
                <div className="bubble bubble-pending chat-prompt">
                  <Markdown text={prompt} />
                </div>
              )}
              {working && (
                <p className="chat-working">
                  <Pulse />
                  <bdi>{model.activity ?? "working"}</bdi>
                </p>
              )}
              {pending.length > 0 && (
                <ol className="chat-pending" aria-label="Messages on their way">
                  {pending.map((message) => (
                    <li key={message.id}>
                      <PendingMessage
                        message={message}
                        onTakeBack={takeBack}
                        onAgain={(id) => sayAgain(runId, id)}
                        onForget={(id) => forget(runId, new Set([id]))}
                      />
                    </li>
                  ))}
                </ol>
              )}
            </ChatList>
            <Announcer items={model.chat} live={log.caughtUp && !replaying} />
            <div className="chat-foot">
              {problem !== undefined && <ProblemNote error={problem} />}
              {!(docked && canAct && questions.length + permissions.length > 0) && <Composer
                key={runId}
                runId={runId}
                talk={talk}
                modelName={model.model}
                receipts={messages}
                said={said}
                interrupting={interrupting}
                onInterrupt={interrupt}
                onSent={toEnd}
              />}
            </div>
          </div>
        </Threads>
        </Folds>
      </KeptState>
    </Acting>
  );
}

/** What a run was asked at its start: it stands there until the agent has read it. */
function promptOf(view: RunView | undefined): string {
  const prompt = view?.prompt ?? "";
  if (typeof prompt === "string") return prompt;
  return prompt.flatMap((block) => (typeof block["text"] === "string" ? [block["text"]] : [])).join("\n");
}

function isGrowing(item: TabProps["model"]["chat"][number] | undefined): boolean {
  return (item?.kind === "text" || item?.kind === "thinking") && item.partial;
}

/** Sent messages need no keeping once the conversation has them. */
function useForgetShown(runId: string, outbox: readonly { readonly id: string }[], receipts: TabProps["model"]["messages"]): void {
  useEffect(() => {
    const shown = outbox.filter(({ id }) => {
      const receipt = receipts.get(id);
      return receipt?.shown === true && receipt.state === "completed";
    });
    if (shown.length > 0) forget(runId, new Set(shown.map(({ id }) => id)));
  }, [runId, outbox, receipts]);
}

/** A number that moves when the log began anew: what was measured and unfolded of the old one means nothing. */
function useEpoch(events: readonly unknown[]): number {
  const [epoch, setEpoch] = useState({ events, number: 0 });
  if (epoch.events !== events) {
    const next = { events, number: epoch.number + 1 };
    setEpoch(next);
    return next.number;
  }
  return epoch.number;
}

function useDoubleEscape(action: (() => void) | undefined): (event: { readonly key: string }) => void {
  const last = useRef(0);
  return (event) => {
    if (event.key !== "Escape" || action === undefined) return;
    const now = performance.now();
    if (now - last.current < DOUBLE_ESC_MS) {
      last.current = 0;
      action();
    } else {
      last.current = now;
    }
  };
}
