import { Monitor, Moon, Sun } from "lucide-react";
import { IconButton } from "../ui";
import { setTheme, THEMES, useTheme } from "./theme";

const ICONS = { system: Monitor, light: Sun, dark: Moon };
const NAMES = { system: "as the system", light: "light", dark: "dark" };

/** Goes round: system, light, dark. */
export function ThemeSwitch() {
  const theme = useTheme();
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "system";
  return <IconButton icon={ICONS[theme]} label={`Theme: ${NAMES[theme]}`} onClick={() => setTheme(next)} />;
}
