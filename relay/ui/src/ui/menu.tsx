import type { LucideIcon } from "lucide-react";
import { Ellipsis } from "lucide-react";
import { useEffect, useId, useRef, useState, type KeyboardEvent } from "react";
import { IconButton } from "./button";
import "./menu.css";

export interface MenuItem {
  readonly label: string;
  readonly icon: LucideIcon;
  readonly danger?: boolean;
  readonly onSelect: () => void;
}

/** What is done seldom, behind three dots. The arrows move in it; Esc and a press elsewhere close it. */
export function Menu({ label, items }: { readonly label: string; readonly items: readonly MenuItem[] }) {
  const [open, setOpen] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const id = useId();

  useEffect(() => {
    if (!open) return;
    box.current?.querySelector<HTMLElement>("[role=menuitem]")?.focus();
    const onPress = (event: PointerEvent) => {
      if (!box.current?.contains(event.target as Node)) setOpen(false);
    };
    document.addEventListener("pointerdown", onPress);
    return () => document.removeEventListener("pointerdown", onPress);
  }, [open]);

  const close = () => {
    setOpen(false);
    box.current?.querySelector<HTMLElement>("button")?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (!open) return;
    const choices = [...(box.current?.querySelectorAll<HTMLElement>("[role=menuitem]") ?? [])];
    const at = choices.indexOf(document.activeElement as HTMLElement);
    const steps: Readonly<Record<string, number>> = { ArrowDown: at + 1, ArrowUp: at - 1 + choices.length, Home: 0, End: choices.length - 1 };
    const to = steps[event.key];
    if (event.key === "Escape") close();
    else if (event.key === "Tab") setOpen(false);
    else if (to !== undefined) choices[to % choices.length]?.focus();
    else return;
    if (event.key === "Tab") return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div ref={box} className="menu" onKeyDown={onKeyDown}>
      <IconButton size="sm" icon={Ellipsis} label={label} aria-haspopup="menu" aria-expanded={open} aria-controls={open ? id : undefined} onClick={() => setOpen(!open)} />
      {open && (
        <div id={id} role="menu" aria-label={label} className="menu-list">
          {items.map(({ label: name, icon: Icon, danger = false, onSelect }) => (
            <button
              key={name}
              type="button"
              role="menuitem"
              tabIndex={-1}
              className={danger ? "menu-item menu-danger" : "menu-item"}
              onClick={() => {
                close();
                onSelect();
              }}
            >
              <Icon className="icon-sm" aria-hidden />
              {name}
            </button>
          ))}
        </div>
      )}
    </div>
  );
}
