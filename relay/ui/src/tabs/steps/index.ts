export { StepsTab } from "./steps-tab";
