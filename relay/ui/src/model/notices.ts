import type { Level } from "./types.js";
import { type Event, number, plain, text } from "./values.js";

/** A line in the chat that nobody said. `stays`: what comes after it does not take its place. */
export interface Notice {
  readonly level: Level;
  readonly text: string;
  readonly detail: unknown;
  readonly stays: boolean;
}

/** `eventType` of the notice that a turn was interrupted. */
export const INTERRUPT_TYPE = "interrupt";

/** `eventType` of the notice why the model could not answer, which the CLI gives in its place. */
export const ERROR_TYPE = "model_error";

/** The notice of an event, or null if it deserves none. */
export function noticeOf(event: Event & { readonly type: string }): Notice | null {
  switch (event.type) {
    case "workflow_started": {
      const attempt = number(event["attempt"]) ?? 1;
      // That a run began is no news to whoever looks at it.
      return attempt > 1 ? notice("info", `Attempt ${attempt} began`, event["params"]) : null;
    }
    case "workflow_completed":
      return notice("success", `The run is completed${after(event)}`, event["result"]);
    case "workflow_failed":
      return notice("error", `The run failed${because(event)}${after(event)}`, event["error"]);
    case "workflow_stopped":
      return notice("warning", `The run was stopped${because(event)}${after(event)}`, event["result"]);
    case "workflow_paused":
      return notice("info", `Paused${because(event)}`, null);
    case "workflow_resumed":
      return notice("info", `Resumed${because(event)}`, null);
    case "progress_update": {
      const said = text(event["message"]);
      // That it waits for a message is its state, and no part of the conversation.
      if (!said || event["status"] === "waiting") return null;
      // A quote is what such a run is about.
      return { level: "info", text: said, detail: null, stays: typeof event["current_quote"] === "string" };
    }
    case "task_failed":
      return notice("error", `${text(event["task_name"]) ?? "A task"} failed: ${text(event["message"]) ?? "no reason told"}`, null);
    case "error":
    case "log": {
      const told = text(event["level"], 20);
      const level = told === "warning" || told === "info" || told === "debug" ? told : "error";
      return notice(level, plain(event["message"]), event["data"]);
    }
    case "system":
      return system(event);
    default:
      return null;
  }
}

export function durationText(seconds: number): string {
  if (seconds < 10) return `${Math.round(seconds * 10) / 10} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.round(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function system(event: Event): Notice | null {
  const subtype = text(event["subtype"], 200) ?? "";
  if (subtype === "task_notification") {
    const status = text(event["status"], 100) ?? "";
    const failed = status !== "" && status !== "completed";
    return notice(failed ? "warning" : "info", text(event["summary"]) ?? `A background task is ${status || "over"}`, null);
  }
  if (/error|retry|denied/.test(subtype)) return notice("warning", subtype.replaceAll("_", " "), event);
  return null;
}

function notice(level: Level, said: string, detail: unknown): Notice {
  return { level, text: said, detail: detail ?? null, stays: true };
}

function because(event: Event): string {
  const reason = text(event["reason"], 200);
  return reason ? ` (${reason})` : "";
}

function after(event: Event): string {
  const seconds = number(event["duration_s"]);
  return seconds === null ? "" : ` after ${durationText(seconds)}`;
}
