export { ChangesTab } from "./changes-tab";
