import { MessageCircleQuestion, ShieldQuestion } from "lucide-react";
import type { PermissionItem, QuestionItem } from "../model/types";
import { ToolLine } from "../tools/tool-views";

/** In place of what is open and answered below: what it was about, where it came up. */
export function AskedRow({ item }: { readonly item: QuestionItem | PermissionItem }) {
  return (
    <p className="asked">
      {item.kind === "question" ? (
        <>
          <MessageCircleQuestion className="icon-sm" aria-hidden />
          <span className="asked-word">Asks</span>
          <bdi className="truncate">{item.questions.map((question) => question.question).join(" · ")}</bdi>
        </>
      ) : (
        <>
          <ShieldQuestion className="icon-sm" aria-hidden />
          <span className="asked-word">Asks for</span>
          <ToolLine name={item.toolName} input={item.input} />
        </>
      )}
      <span className="asked-where">answer below</span>
    </p>
  );
}
