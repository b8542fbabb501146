export { OutputTab } from "./output-tab";
