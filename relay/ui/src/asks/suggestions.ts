/** Lasting rules that the CLI proposes with a permission request, in words. */

import { asList, asObject, asText } from "../ui/json";

const WHERE: Readonly<Record<string, string>> = {
  session: "in this session",
  localSettings: "in this folder, for you",
  projectSettings: "in this folder, for everyone",
  userSettings: "in all your folders",
};

/** What would count from now on; JSON where the kind is unknown, so that nothing is agreed to unseen. */
export function describeSuggestion(suggestion: unknown): string {
  const fields = asObject(suggestion);
  const place = asText(fields["destination"]);
  const where = place === undefined ? "" : ` ${WHERE[place] ?? `(${place})`}`;
  switch (fields["type"]) {
    case "setMode":
      return `Use the mode ${asText(fields["mode"]) ?? "?"}${where}`;
    case "addRules": {
      const rules = asList(fields["rules"]).map(ruleText).join(", ");
      return `Always ${asText(fields["behavior"]) ?? "?"} ${rules}${where}`;
    }
    case "addDirectories":
      return `Let it work in ${asList(fields["directories"]).map(String).join(", ")}${where}`;
    default:
      return JSON.stringify(suggestion) ?? "";
  }
}

function ruleText(rule: unknown): string {
  const { toolName, ruleContent } = asObject(rule);
  return `${asText(toolName) ?? "?"}${asText(ruleContent) ? `(${asText(ruleContent)})` : ""}`;
}
