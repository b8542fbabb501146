// From what stands in the form to `POST /api/v1/workflows`. Pure.

import type { Content, Deployment, Fault, StartRequest, Workflow } from "../../api";
import { draftOf, freshDraft, readDraft, type Draft, type Group } from "./draft";
import { readSchema, type GroupSpec, type Named } from "./schema";

/** What can be started: a workflow, or a deployment of it. */
export interface Source {
  readonly workflow: Workflow;
  readonly deployment: Deployment | null;
}

/** What a form begins with, where a run is to be started like another one. */
export interface StartLike {
  readonly workflow: string;
  readonly prompt: Content | null;
  readonly params: Readonly<Record<string, unknown>>;
  readonly interactive: boolean;
}

export interface StartForm {
  readonly source: Source;
  readonly prompt: string;
  readonly interactive: boolean;
  readonly params: Draft;
  readonly runId: string;
  readonly bounds: Draft;
}

// Someone watches what is started here; so text comes as it is made, where the workflow can do that.
const WATCHED = { include_partial_messages: true };

/** Priority and limits, as every workflow has them. */
export const BOUNDS = readSchema({
  type: "object",
  properties: {
    priority: { type: "integer", description: "Of queued runs the highest begins first" },
    limits: {
      type: "object",
      description: "What ends the run when it is passed",
      default: {},
      properties: {
        wall_time_s: { type: "number", exclusiveMinimum: 0, description: "Seconds from start to end" },
        idle_time_s: { type: "number", exclusiveMinimum: 0, description: "Seconds without an event" },
        cost_usd: { type: "number", exclusiveMinimum: 0, description: "US dollars" },
        turns: { type: "integer", minimum: 1, description: "Answers of the model" },
        output_bytes: { type: "integer", minimum: 1, description: "Bytes of its log" },
      },
    },
  },
}) as GroupSpec;

/** Where the params stand in the request. */
export function paramsPointer(source: Source): string {
  return source.deployment ? "/runtime_overrides" : "/params";
}

/** The fields of a source: of a deployment those that it lets be set, with its own values as defaults. */
export function specOf({ workflow, deployment }: Source): GroupSpec {
  const spec = readSchema(workflow.params);
  if (spec.kind !== "group") return { ...spec, kind: "group", fields: [] } as GroupSpec;
  if (!deployment) return spec;
  const fields = spec.fields
    .filter((field) => deployment.allowed_overrides.includes(field.name))
    .map((field) => (field.name in deployment.params ? withDefault(field, deployment.params[field.name]) : field));
  return { ...spec, default: undefined, fields };
}

function withDefault(field: Named, value: unknown): Named {
  return { ...field, required: false, spec: { ...field.spec, default: value } };
}

export function newForm(source: Source, prompt = ""): StartForm {
  const spec = specOf(source);
  const watched = Object.entries(WATCHED).filter(([name]) => !source.deployment && spec.fields.some((field) => field.name === name));
  return {
    source,
    prompt: prompt || textOf(source.deployment?.prompt ?? null),
    interactive: source.deployment ? source.deployment.interactive : source.workflow.interactive,
    params: { ...(freshDraft(spec) as Group), ...Object.fromEntries(watched) },
    runId: "",
    bounds: freshDraft(BOUNDS),
  };
}

export function formLike(source: Source, like: StartLike): StartForm {
  return {
    ...newForm(source, textOf(like.prompt)),
    interactive: like.interactive,
    params: draftOf(specOf(source), like.params),
  };
}

/** The request, and what is wrong with it that can be told without asking. */
export function requestOf(form: StartForm): { readonly request: StartRequest; readonly faults: readonly Fault[] } {
  const { source, prompt, interactive, runId } = form;
  const { workflow, deployment } = source;
  const params = readDraft(specOf(source), form.params, paramsPointer(source), true);
  const bounds = readDraft(BOUNDS, form.bounds, "", true);
  const { priority, limits } = bounds.value as { priority?: unknown; limits?: unknown };
  const own = deployment ? { deployment: deployment.name, runtime_overrides: params.value } : { workflow: workflow.name, params: params.value };
  const needsPrompt = workflow.prompt === "required" && !interactive && prompt.trim() === "";
  const request: StartRequest = {
    ...own,
    ...(workflow.prompt !== "none" && prompt.trim() !== "" && { prompt }),
    ...(workflow.interactive && { interactive }),
    ...(runId.trim() !== "" && { run_id: runId.trim() }),
    ...(priority !== undefined && { priority }),
    ...(limits !== undefined && { limits }),
  };
  const faults = [...(needsPrompt ? [{ where: "/prompt", detail: "Say what is to be done" }] : []), ...params.faults, ...bounds.faults];
  return { request, faults };
}

function textOf(content: Content | null): string {
  if (content === null) return "";
  if (typeof content === "string") return content;
  return content.flatMap((block) => (typeof block["text"] === "string" ? [block["text"]] : [])).join("\n\n");
}
