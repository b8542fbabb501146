import { Circle, CircleCheck, CircleDot } from "lucide-react";
import type { ReactNode } from "react";
import { LongText } from "../ui/fold";
import { asObject, asText } from "../ui/json";
import { JsonView } from "../ui/json-view";
import { Markdown } from "../ui/markdown";
import { Ansi, revealUnseen, Terminal } from "../ui/terminal";
import { DiffView } from "./diff-view";
import { editDiff } from "./edit-diff";
import { isAgent, summarizeTool } from "./tool-summary";
import "./tools.css";

const MAX_FIELD_CHARS = 500;
const MAX_LINES = 24;
const MAX_CHARS = 6000;
/** Longer results are not parsed to see whether they are JSON. */
const MAX_JSON_CHARS = 200_000;

/** The fields that a view of its own shows. Others, which few calls have, follow as JSON. */
const SHOWN: Readonly<Record<string, readonly string[]>> = {
  Bash: ["command", "description"],
  Edit: ["file_path", "old_string", "new_string"],
  MultiEdit: ["file_path", "edits"],
  Write: ["file_path", "content"],
  NotebookEdit: ["notebook_path", "new_source"],
  TodoWrite: ["todos"],
  ExitPlanMode: ["plan"],
  Task: ["prompt", "description", "subagent_type"],
  Agent: ["prompt", "description", "subagent_type"],
};

/** Calls of which the line says all there is to their input, if it has no more fields than these. */
const TOLD_IN_LINE: Readonly<Record<string, readonly string[]>> = {
  Read: ["file_path", "offset", "limit"],
  NotebookRead: ["notebook_path"],
  LS: ["path"],
  Glob: ["pattern", "path"],
  WebSearch: ["query"],
  WebFetch: ["url"],
  ToolSearch: ["query"],
  Skill: ["skill"],
};

/** Whether the call's line has told its whole input. */
export function isToldInLine(name: string, input: unknown): boolean {
  const told = TOLD_IN_LINE[name];
  return told !== undefined && Object.keys(asObject(input)).every((key) => told.includes(key));
}

interface ToolInputProps {
  readonly id: string;
  readonly name: string;
  readonly input: unknown;
  /** What the CLI tells of the result for programs: line numbers of an edit, say. */
  readonly told?: unknown;
  /** Whether its line says already what it is for. */
  readonly described?: boolean;
  /** Of a command: what it said. Others show it below, as `ToolResult`. */
  readonly output?: string | null;
  readonly isError?: boolean;
}

/** What a tool is to do, whole: nothing that someone is to allow is left out. */
export function ToolInput(props: ToolInputProps) {
  const { name, input } = props;
  const view = viewOf(props);
  if (view === undefined) return <Fields input={input} />;
  const shown = SHOWN[name] ?? [];
  const rest = Object.entries(asObject(input)).filter(([key]) => !shown.includes(key));
  return (
    <>
      {view}
      {rest.length > 0 && <Fields input={Object.fromEntries(rest)} />}
    </>
  );
}

/** Plain fields as lines, all else as JSON. */
function Fields({ input }: { readonly input: unknown }) {
  const entries = Object.entries(asObject(input));
  const isPlain = (value: unknown): boolean => value === null || (typeof value !== "object" && String(value).length <= MAX_FIELD_CHARS);
  if (entries.length === 0 || entries.some(([, value]) => !isPlain(value))) return <JsonView value={input} />;
  return (
    <dl className="fields">
      {entries.map(([name, value]) => (
        <div key={name}>
          <dt>
            <bdi>{revealUnseen(name)}</bdi>
          </dt>
          <dd>
            <bdi className={typeof value === "string" ? undefined : "mono"}>{revealUnseen(String(value))}</bdi>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function viewOf({ id, name, input, told, described = false, output = null, isError = false }: ToolInputProps): ReactNode {
  const fields = asObject(input);
  const command = asText(fields["command"]);
  if (name === "Bash" && command !== undefined) {
    const description = asText(fields["description"]);
    return (
      <>
        {description && !described && <p className="tool-note foreign">{description}</p>}
        <Terminal id={id} command={command} output={output !== null && isError ? withoutTag(output) : output} isError={isError} label="Command" />
      </>
    );
  }
  const diff = editDiff(name, input, told);
  if (diff) return <DiffView id={id} diff={diff} />;
  if (name === "TodoWrite" && Array.isArray(fields["todos"])) return <Todos items={fields["todos"]} />;
  const prose = name === "ExitPlanMode" ? asText(fields["plan"]) : isAgent(name) ? asText(fields["prompt"]) : undefined;
  if (prose === undefined) return undefined;
  return (
    <LongText id={`${id}:prose`} text={prose} maxLines={MAX_LINES} maxChars={MAX_CHARS}>
      {(shown) => <Markdown text={shown} />}
    </LongText>
  );
}

interface ToolResultProps {
  readonly id: string;
  readonly name: string;
  readonly result: string;
  readonly isError: boolean;
}

/** What a tool gave back: JSON as JSON, an agent's words as Markdown, all else as text. */
export function ToolResult({ id, name, result: told, isError }: ToolResultProps) {
  const result = isError ? withoutTag(told) : told;
  if (result === "") return <p className="muted">No output</p>;
  const json = isError ? undefined : parsed(result);
  if (json !== undefined) return <JsonView value={json} />;
  const prose = isAgent(name) && !isError;
  return (
    <LongText id={`${id}:result`} text={result} maxLines={MAX_LINES} maxChars={MAX_CHARS}>
      {(shown) =>
        prose ? (
          <Markdown text={shown} />
        ) : (
          <pre className={isError ? "tool-text tool-text-failed foreign" : "tool-text foreign"} tabIndex={0} aria-label="Result">
            <Ansi text={shown} />
          </pre>
        )
      }
    </LongText>
  );
}

/** Refusals of the CLI itself come in a tag that is for the model. */
function withoutTag(text: string): string {
  return /^\s*<tool_use_error>([\s\S]*?)(?:<\/tool_use_error>)?\s*$/.exec(text)?.[1] ?? text;
}

/** The tool and what it works on, in a line. */
export function ToolLine({ name, input }: { readonly name: string; readonly input: unknown }) {
  const { title, subject, kind } = summarizeTool(name, input);
  return (
    <>
      <span className="tool-name">{title}</span>
      {subject && <bdi className={kind === "code" ? "tool-subject mono" : "tool-subject"}>{subject}</bdi>}
    </>
  );
}

const TODO_ICONS = { completed: CircleCheck, in_progress: CircleDot, pending: Circle } as const;

function Todos({ items }: { readonly items: readonly unknown[] }) {
  return (
    <ul className="todos">
      {items.map((item, index) => {
        const fields = asObject(item);
        const status = asText(fields["status"]) ?? "pending";
        const Icon = TODO_ICONS[status as keyof typeof TODO_ICONS] ?? Circle;
        return (
          <li key={index} className={`todo todo-${status}`}>
            <Icon className="icon-sm" aria-label={status.replace("_", " ")} />
            <bdi>{asText(fields["content"]) ?? ""}</bdi>
          </li>
        );
      })}
    </ul>
  );
}

function parsed(text: string): unknown {
  const head = text.trimStart()[0];
  if ((head !== "{" && head !== "[") || text.length > MAX_JSON_CHARS) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
