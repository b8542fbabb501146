import { Tabs as Radix } from "radix-ui";
import type { ReactNode } from "react";
import "./tabs.css";

export interface Tab<Name extends string> {
  readonly name: Name;
  readonly label: ReactNode;
  readonly content: ReactNode;
}

interface TabsProps<Name extends string> {
  /** Of what these are the tabs. */
  readonly label: string;
  readonly tabs: readonly Tab<Name>[];
  readonly value: Name;
  readonly onChange: (name: Name) => void;
  /** At the right of the tabs. */
  readonly aside?: ReactNode;
  /** Between the tabs and what is in them, whichever it is. */
  readonly below?: ReactNode;
}

/** Tabs of which one is drawn. Arrow keys, Home and End move between them. */
export function Tabs<Name extends string>({ label, tabs, value, onChange, aside, below }: TabsProps<Name>) {
  return (
    <Radix.Root className="tabs" value={value} onValueChange={(name) => onChange(name as Name)}>
      <div className="tabs-bar">
        <Radix.List className="tabs-list" aria-label={label}>
          {tabs.map((tab) => (
            <Radix.Trigger key={tab.name} value={tab.name} className="tab">
              {tab.label}
            </Radix.Trigger>
          ))}
        </Radix.List>
        {aside && <div className="tabs-aside">{aside}</div>}
      </div>
      {below}
      {tabs.map((tab) => (
        <Radix.Content key={tab.name} value={tab.name} className="tab-panel">
          {tab.content}
        </Radix.Content>
      ))}
    </Radix.Root>
  );
}
