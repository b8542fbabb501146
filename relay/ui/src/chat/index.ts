export { ChatTab } from "./chat-tab";
export { CodeBlock } from "./code-block";
export { Markdown } from "./markdown";
export { PermissionCard } from "./permission-card";
export { QuestionCard } from "./question-card";
