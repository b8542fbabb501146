// The calls that start runs, speak to them and look at their files. :throws Problem, each of them.

import { API, call, callRaw, newId, pathOf } from "./http";
import { Problem } from "./problem";
import type { Accepted, Content, Delivery, Deployment, Listing, RunPage, RunStarted, RunView, StartRequest, Workflow } from "./types";

export type Command = "stop" | "interrupt" | "pause" | "resume";

export async function fetchCatalog(signal?: AbortSignal): Promise<readonly Workflow[]> {
  return (await call<{ workflows: readonly Workflow[] }>("/catalog", { signal })).workflows;
}

/** None, of a relay that knows no deployments. */
export async function fetchDeployments(signal?: AbortSignal): Promise<readonly Deployment[]> {
  try {
    return (await call<{ deployments: readonly Deployment[] }>("/deployments", { signal })).deployments;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return [];
    throw error;
  }
}

/** A page of the list. `query`: as the contract has it (`q`, `status`, …, `counts`, `limit`, `cursor`). */
export function fetchRuns(query: URLSearchParams, signal?: AbortSignal): Promise<RunPage> {
  return call(`/workflows?${query.toString()}`, { signal });
}

export function fetchRun(runId: string, signal?: AbortSignal): Promise<RunView> {
  return call(`/workflows${pathOf(runId)}`, { signal });
}

/** `key`: sent again with the same, no second run is started. */
export function startRun(request: StartRequest, key: string): Promise<RunStarted> {
  return call("/workflows", { method: "POST", body: request, headers: { "Idempotency-Key": key } });
}

export function removeRun(runId: string): Promise<void> {
  return call(`/workflows${pathOf(runId)}`, { method: "DELETE" });
}

export function commandRun(runId: string, command: Command): Promise<Accepted> {
  return call(`/workflows${pathOf(runId, command)}`, { method: "POST", body: { id: newId() } });
}

export interface MessageOptions {
  /** From `newId()`: the receipts have it, and a second try with it says nothing twice. */
  readonly id: string;
  readonly delivery?: Delivery | undefined;
  /** Reopen a run that has ended. */
  readonly resume?: boolean | undefined;
}

export function sendMessage(runId: string, message: Content, options: MessageOptions): Promise<Accepted> {
  return call(`/workflows${pathOf(runId, "messages")}`, { method: "POST", body: { message, ...options } });
}

/** Ask to take a queued message back; its receipt tells whether that came in time. */
export function takeBackMessage(runId: string, messageId: string): Promise<Accepted> {
  return call(`/workflows${pathOf(runId, "messages", messageId)}`, { method: "DELETE" });
}

export function answerQuestion(runId: string, questionId: string, answers: Readonly<Record<string, unknown>>): Promise<Accepted> {
  return call(`/workflows${pathOf(runId, "answers")}`, { method: "POST", body: { question_id: questionId, answers } });
}

export interface PermissionAnswer {
  readonly decision: "allow" | "deny";
  readonly message?: string | undefined;
  readonly updated_input?: Readonly<Record<string, unknown>> | undefined;
  /** Which of the request's suggestions count from now on, as they stand there. */
  readonly updated_permissions?: readonly unknown[] | undefined;
  /** As the request has it: a decision for another call is refused. */
  readonly input_sha256?: string | undefined;
}

export function answerPermission(runId: string, requestId: string, answer: PermissionAnswer): Promise<Accepted> {
  return call(`/workflows${pathOf(runId, "permissions")}`, { method: "POST", body: { request_id: requestId, ...answer } });
}

/** null: the default model. */
export function setModel(runId: string, model: string | null): Promise<Accepted> {
  return call(`/workflows${pathOf(runId, "model")}`, { method: "POST", body: { model, id: newId() } });
}

export function setPermissionMode(runId: string, mode: string): Promise<Accepted> {
  return call(`/workflows${pathOf(runId, "permission-mode")}`, { method: "POST", body: { mode, id: newId() } });
}

/** `path` as a listing gave it; "" for the root of the workspace. */
export function fetchListing(runId: string, path: string, signal?: AbortSignal): Promise<Listing> {
  return call(filePath(runId, path), { signal });
}

/** A file as it is. `range`: `[first, last]` byte. `timeoutMs` null: however long it takes. */
export function fetchFile(
  runId: string,
  path: string,
  range?: readonly [number, number],
  signal?: AbortSignal,
  timeoutMs?: number | null,
): Promise<Response> {
  const headers: Record<string, string> = range ? { Range: `bytes=${range[0]}-${range[1]}` } : {};
  return callRaw(filePath(runId, path), { headers, signal, timeoutMs });
}

/** The address of a file, for a link. */
export function fileUrl(runId: string, path: string): string {
  return `${API}${filePath(runId, path)}`;
}

function filePath(runId: string, path: string): string {
  return `/workflows${pathOf(runId, "files", ...path.split("/").filter(Boolean))}`;
}
