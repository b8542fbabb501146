export { ChatTab } from "./chat-tab";
