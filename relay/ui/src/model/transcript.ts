import { blocksOf, type Event, isObject, plain, text } from "./values.js";

/** Of a `queue-operation` that took a message into the running turn; earlier versions gave no reason. */
const ABSORBED: readonly unknown[] = [undefined, null, "absorbed_mid_turn"];
const HELPERS: readonly unknown[] = ["Task", "Agent"];

/** Whether it is a line of a transcript, and of no stream. */
export function isKept(event: Event): boolean {
  return "sessionId" in event || "parentUuid" in event;
}

/**
 * Lines of the files in which Claude's CLI keeps its sessions, in the words of its stream: see
 * `runlog/run/transcript.py`. Lines of the stream come back as they are.
 */
export class Transcript {
  #hasBegun: boolean;
  /** The whole file is this subagent's. */
  #agentId: string | null = null;
  #hasAttachments = false;
  /** Earlier versions do not say which subagent speaks: uuid of a line aside -> that of the first in its chain. */
  #firsts = new Map<string, string>();
  /** What subagents were asked, and the calls that did so. */
  #asked = new Map<string, string>();
  /** Subagents and the calls that began them. */
  #calls = new Map<string, string>();

  constructor(hasBegun = false) {
    this.#hasBegun = hasBegun;
  }

  fork(): Transcript {
    const copy = new Transcript(this.#hasBegun);
    copy.#agentId = this.#agentId;
    copy.#hasAttachments = this.#hasAttachments;
    copy.#firsts = new Map(this.#firsts);
    copy.#asked = new Map(this.#asked);
    copy.#calls = new Map(this.#calls);
    return copy;
  }

  /** `steered` is added to what a running turn took in, `parent_tool_use_id` to what a subagent says. */
  line(event: Event): Event {
    let line = event;
    switch (event["type"]) {
      case "assistant":
      case "user":
        if (!this.#hasBegun && event["isSidechain"] === true) this.#agentId = text(event["agentId"], 200);
        this.#hasBegun = true;
        break;
      case "attachment":
        this.#hasAttachments = true;
        line = queuedCommand(event);
        break;
      case "queue-operation":
        line = this.#queueOperation(event);
        break;
      case "system":
        line = localCommand(event);
    }
    if (!isKept(line)) return line;
    const told = {
      ..."sessionId" in line ? { session_id: line["sessionId"] } : {},
      ..."toolUseResult" in line ? { tool_use_result: line["toolUseResult"] } : {},
      ...line,
    };
    return this.#aside(told);
  }

  #aside(line: Event): Event {
    let told = line;
    if (line["isSidechain"] === true) {
      if (this.#agentId !== null && line["agentId"] === this.#agentId) told = { ...line, isSidechain: false };
      else {
        const agentId = "agentId" in line ? text(line["agentId"], 200) : this.#firstOf(line);
        told = { parent_tool_use_id: this.#callOf(agentId ?? "", line), ...line, agentId };
      }
    }
    this.#learn(told);
    return told;
  }

  #firstOf(line: Event): string | null {
    const uuid = text(line["uuid"], 200);
    const first = this.#firsts.get(text(line["parentUuid"], 200) ?? "") ?? uuid;
    if (uuid !== null && first !== null) this.#firsts.set(uuid, first);
    return first;
  }

  /** The call that began a subagent: his first line is what he was asked. */
  #callOf(agentId: string, line: Event): string {
    const known = this.#calls.get(agentId);
    if (known !== undefined) return known;
    const call = (line["type"] === "user" && this.#asked.get(plain(contentOf(line)))) || `aside:${agentId}`;
    this.#calls.set(agentId, call);
    return call;
  }

  #learn(line: Event): void {
    for (const block of blocksOf(contentOf(line))) {
      const id = text(block["type"] === "tool_use" ? block["id"] : block["tool_use_id"], 200);
      if (id === null) continue;
      const input = block["input"];
      if (HELPERS.includes(block["name"]) && isObject(input)) this.#asked.set(text(input["prompt"], Infinity) ?? "", id);
      const result = line["tool_use_result"];
      const agentId = isObject(result) ? text(result["agentId"], 200) : null;
      if (agentId !== null && !this.#calls.has(agentId)) this.#calls.set(agentId, id);
    }
  }

  /** Earlier versions keep no attachments: what they took into a turn stands in the queue alone. */
  #queueOperation(event: Event): Event {
    const absorbed = event["operation"] === "remove" && ABSORBED.includes(event["reason"]);
    if (this.#hasAttachments || !absorbed || typeof event["content"] !== "string") return event;
    return { ...said(event, event["content"], event["commandUuid"]), steered: true };
  }
}

/** A line by itself, as the trace shows it. What the queue tells stands in other lines too. */
export function lineOf(event: Event): Event {
  return event["type"] === "queue-operation" ? event : new Transcript(true).line(event);
}

/** What came while a turn ran, and was taken into it. */
function queuedCommand(event: Event): Event {
  const about = event["attachment"];
  if (!isObject(about) || about["type"] !== "queued_command") return event;
  const told = Object.fromEntries(["origin", "isMeta", "commandMode"].filter((name) => name in about).map((name) => [name, about[name]]));
  return { ...said(event, about["prompt"], about["source_uuid"] || event["uuid"]), ...told, steered: true };
}

/** Later versions keep in a `system` line what a command gave. */
function localCommand(event: Event): Event {
  const content = event["content"];
  if (typeof content !== "string") return event;
  if (event["subtype"] === "local_command") return said(event, content, event["uuid"]);
  if (event["subtype"] !== "local_command_output") return event;
  return said(event, `<local-command-stdout>${content}</local-command-stdout>`, event["uuid"]);
}

function said(event: Event, content: unknown, messageId: unknown): Event {
  return { ...event, type: "user", message: { role: "user", content }, uuid: messageId };
}

function contentOf(line: Event): unknown {
  return isObject(line["message"]) ? line["message"]["content"] : null;
}
