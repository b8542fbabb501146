import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { fetchFile } from "../../api";
import { plain } from "../../model/values";

const INBOX = "_inbox.jsonl";
const NONE: ReadonlyMap<string, string> = new Map();

/** What was said to a run, by the id of the message, from its inbox. `wanted`: somebody needs it; `version` moves with it. */
export function useInboxWords(runId: string, wanted: boolean, version: number): ReadonlyMap<string, string> {
  const inbox = useQuery({
    queryKey: ["inbox", runId, version],
    queryFn: async ({ signal }) => wordsOf(new Uint8Array(await (await fetchFile(runId, INBOX, undefined, signal)).arrayBuffer())),
    enabled: wanted,
    placeholderData: keepPreviousData,
  });
  return inbox.data ?? NONE;
}

/** The texts of an inbox's messages. A line without an id is known by its place: the offset after it. */
export function wordsOf(bytes: Uint8Array): ReadonlyMap<string, string> {
  const words = new Map<string, string>();
  const decoder = new TextDecoder();
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(10, start);
    if (end < 0) break; // it is being written
    const line = parsed(decoder.decode(bytes.subarray(start, end)));
    start = end + 1;
    if (line?.["type"] !== "message") continue;
    const id = typeof line["id"] === "string" ? line["id"] : `inbox-${start}`;
    if (!words.has(id)) words.set(id, plain(line["content"]));
  }
  return words;
}

function parsed(line: string): Readonly<Record<string, unknown>> | null {
  try {
    const value = JSON.parse(line) as unknown;
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}
