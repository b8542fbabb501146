import { ROOT_PATH } from "../api";
import { Dialog } from "../ui";

type Shortcut = readonly [keys: readonly string[], does: string];

const GROUPS: readonly (readonly [title: string, shortcuts: readonly Shortcut[]])[] = [
  [
    "Anywhere",
    [
      [["?"], "these keys"],
      [["Ctrl", "K"], "find a run or an action"],
      [["n"], "new run"],
      [["g", "i"], "what needs you"],
      [["u"], "back to all runs"],
      [["["], "fold the runs at the side"],
      [["Alt", "↑↓"], "the run above, below"],
      [["Esc"], "close what is open"],
    ],
  ],
  [
    "All runs",
    [
      [["/"], "search"],
      [["j", "k"], "down, up"],
      [["Enter"], "open"],
      [["x"], "select"],
      [["c"], "compare the two selected"],
      [["s"], "stop"],
      [["d"], "delete"],
    ],
  ],
  [
    "A run",
    [
      [["1", "…", "6"], "chat, trace, steps, files, output, changes"],
      [["\\"], "the chat with another tab beside it"],
      [["←", "→"], "next tab, on the tabs"],
      [["j", "k"], "down, up in a list"],
      [["Enter"], "send (Shift+Enter: new line)"],
      [["Alt", "Enter"], "send after this turn"],
      [["↑"], "what was sent before"],
      [["o", "⇧O"], "unfold all, none"],
      [["y"], "copy a link to this place"],
      [["i"], "interrupt the turn"],
      [["Esc", "Esc"], "the same, in the chat"],
    ],
  ],
  [
    "Trace",
    [
      [["t"], "timeline, or events"],
      [["+", "−", "0"], "closer, wider, the whole run"],
    ],
  ],
  [
    "Output",
    [
      [["/"], "search"],
      [["n", "N"], "the next found, the one before"],
    ],
  ],
  [
    "What is asked",
    [
      [["1", "…", "9"], "choose an option"],
      [["Enter"], "answer"],
      [["a", "d"], "allow, deny"],
      [["⇧A"], "allow with what is suggested"],
      [["e"], "change the input first"],
      [["Tab"], "the next question"],
    ],
  ],
  [
    "Replay",
    [
      [["r"], "rewind, or back to the end"],
      [["Space"], "play, pause"],
      [[",", "."], "one event back, on"],
      [["<", ">"], "slower, faster"],
    ],
  ],
];

/** All keys there are. */
export function Help({ onClose }: { readonly onClose: () => void }) {
  return (
    <Dialog title="Keyboard" size="lg" onClose={onClose}>
      <div className="keys">
        {GROUPS.map(([title, shortcuts]) => (
          <section key={title}>
            <h3>{title}</h3>
            <dl>
              {shortcuts.map(([keys, does]) => (
                <div key={does} className="keys-row">
                  <dt>
                    {keys.map((key) => (
                      <kbd key={key} className="kbd">
                        {key}
                      </kbd>
                    ))}
                  </dt>
                  <dd>{does}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <p className="muted">
        The API has a page of its own: <a href={`${ROOT_PATH}/docs`}>/docs</a>.
      </p>
    </Dialog>
  );
}
