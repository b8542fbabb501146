export { TraceTab } from "./trace-tab";
