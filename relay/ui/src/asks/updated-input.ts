/** A tool's input as a person changed it before allowing it. */

import { asObject, asText, type JsonObject } from "../ui/json";

/** The new input, or what is wrong with it. Of a Bash call the draft is its command; else it is the whole input as JSON. */
export function parseInput(toolName: string, input: unknown, draft: string): { readonly input: JsonObject } | { readonly problem: string } {
  const fields = asObject(input);
  if (toolName === "Bash" && asText(fields["command"]) !== undefined) {
    return draft.trim() === "" ? { problem: "The command is empty" } : { input: { ...fields, command: draft } };
  }
  try {
    const parsed = JSON.parse(draft) as unknown;
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) return { input: parsed as JsonObject };
    return { problem: "It has to be a JSON object: {…}" };
  } catch (error) {
    return { problem: `This is no JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}
